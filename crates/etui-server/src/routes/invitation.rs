//! The page behind a link with an invitation. The secret stands behind `#`, which no browser sends: it gets into no log.

use std::sync::Arc;

use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;

use crate::{app::App, document::escape, invitations::PATH, pages::Page};

/// The page's route.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route(PATH, get(show))
}

async fn show(State(app): State<Arc<App>>) -> Response {
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
