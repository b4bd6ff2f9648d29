//! `GET /`: what this is, for whoever opens the address in a browser. No part of the API.

use std::sync::Arc;

use axum::{Router, extract::State, response::Response, routing::get};

use crate::{
    answers::html,
    app::App,
    document::{STYLE, escape},
};

/// The page's route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/", get(show))
}

async fn show(State(app): State<Arc<App>>) -> Response {
    let next = if app.settings.takes_sign_ups() {
        format!(
            "<p>To make an account, on a computer with the <code>etui</code> command:</p>\
             <pre>etui signup --server {} --email you@example.org</pre>",
            escape(&app.url)
        )
    } else {
        "<p>Accounts are made by whoever runs this server.</p>".to_owned()
    };
    html(
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Etui</title>\
             <style>{STYLE}</style></head><body><main><h1>Etui</h1>\
             <p>This is a server of Etui, a password manager. It keeps what your devices have sealed, \
             and can read none of it.</p>{next}\
             <p><a href=\"/account\">Your account</a>: ways to sign in, programs that wait to be let in</p>\
             <p><a href=\"/reference\">Reference of the API</a></p></main></body></html>"
        )
        .into(),
    )
}
