//! By which names a server is asked that listens on its own machine alone.
//!
//! A page on the web can give its own name the address of this machine, once it is open in a browser here (DNS rebinding). The browser
//! then takes the server for that page's own. But it still says by which name it asks, and no page can have it say another.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use etui_api::ErrorCode;
use http::{header::HOST, uri::Authority};

use crate::{app::App, problem::ApiError};

/// Answers nobody who asks a server at home by a name that is not this machine's. Other servers are told their name by whoever runs
/// them, and admit nobody to more than that who comes first.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.settings.is_at_home() && !is_for_this_machine(&request) {
        let detail = format!(
            "This server is for its own machine, as {}. To be reached by another name it has to know it: --public-url.",
            app.url
        );
        return ApiError::because(ErrorCode::BadRequest, detail).into_response();
    }
    next.run(request).await
}

/// HTTP/2 has the name in the address, HTTP/1.1 in a header. HTTP/1.0 has none: no browser speaks it any more, and load balancers
/// ask by it whether a node is ready.
fn is_for_this_machine(request: &Request) -> bool {
    if let Some(authority) = request.uri().authority() {
        return is_this_machine(authority.host());
    }
    let Some(header) = request.headers().get(HOST) else { return true };
    let authority = header.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    authority.is_some_and(|authority| is_this_machine(authority.host()))
}

fn is_this_machine(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || number.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_has_to_be_this_machines() {
        let asked = |host: Option<&str>| {
            let request = Request::builder().uri("/readyz");
            let request = host.into_iter().fold(request, |request, host| request.header(HOST, host));
            is_for_this_machine(&request.body(axum::body::Body::empty()).unwrap())
        };
        assert!(asked(None) && asked(Some("localhost:8484")));
        assert!(!asked(Some("evil.example")) && !asked(Some("")) && !asked(Some("local host")));
        let proxied = Request::builder().uri("http://evil.example/").header(HOST, "localhost");
        assert!(!is_for_this_machine(&proxied.body(axum::body::Body::empty()).unwrap()));
    }

    #[test]
    fn this_machine_has_few_names() {
        for right in ["localhost", "LOCALHOST:8484", "127.0.0.1", "127.0.0.1:8484", "[::1]", "[::1]:8484"] {
            assert!(is_this_machine(right.parse::<Authority>().unwrap().host()), "{right}");
        }
        for wrong in
            ["evil.example", "localhost.evil.example:8484", "127.0.0.1.evil.example", "192.0.2.1", "0.0.0.0"]
        {
            assert!(!is_this_machine(wrong.parse::<Authority>().unwrap().host()), "{wrong}");
        }
    }
}
