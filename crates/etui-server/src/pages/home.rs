//! `GET /`: what this is, for whoever opens the address in a browser. No part of the API.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::server::SignUpMode;
use http::{HeaderMap, StatusCode};

use super::Page;
use crate::{app::App, client_address::was_forwarded, document::escape};

pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let next = match app.settings.sign_up_mode(was_forwarded(&headers)) {
        SignUpMode::Open => format!(
            "<p>To make an account, on a computer with the <code>etui</code> command:</p>\
             <pre>etui signup --server {} --email you@example.org</pre>",
            escape(&app.url)
        ),
        SignUpMode::Invite => {
            "<p>To make an account you need an invitation: ask whoever runs this server for a link.</p>"
                .to_owned()
        }
        SignUpMode::Closed => "<p>This server takes no new accounts.</p>".to_owned(),
    };
    let content = format!(
        "<p>This is a server of Etui, a password manager. It keeps what your devices have sealed, and can read none of it.</p>\
         {next}<p><a href=\"/account\">Your account</a>: ways to sign in, devices, programs that wait to be let in</p>\
         <p><a href=\"/reference\">Reference of the API</a></p>"
    );
    Page::new("A server of Etui", &content).respond(StatusCode::OK)
}
