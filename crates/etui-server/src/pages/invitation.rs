//! The page behind a link with an invitation. The secret stands behind `#`, which no browser sends: it gets into no log.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::Page;
use crate::{app::App, document::escape};

pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let content = format!(
        "<p>You are invited to make an account on this server of Etui, a password manager. It keeps what your devices have \
         sealed, and can read none of it.</p>\
         <ol><li>On a computer with the <code>etui</code> command, enter:\
         <pre>etui signup --server {} --email you@example.org</pre></li>\
         <li>When it asks for the invitation, paste the whole address of this page.</li></ol>\
         <p>The invitation counts once. Until you have followed it, keep this address to yourself: whoever has it can make the \
         account in your place.</p>",
        escape(&app.url)
    );
    Page::new("An invitation", &content).respond(StatusCode::OK)
}
