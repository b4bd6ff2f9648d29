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
    if app.settings.is_at_home() && !asked_for(&request).is_some_and(|host| is_this_machine(host.host())) {
        let detail = format!(
            "This server is for its own machine, as {}. To be reached by another name it has to know it: --public-url.",
            app.url
        );
        return ApiError::because(ErrorCode::BadRequest, detail).into_response();
    }
    next.run(request).await
}

/// HTTP/2 has it in the address, HTTP/1.1 in a header.
fn asked_for(request: &Request) -> Option<Authority> {
    let header = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(header)
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
