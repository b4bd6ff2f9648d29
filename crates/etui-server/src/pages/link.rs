//! Signing in by a link: `POST /sign-in/links` has one sent, `GET /sign-in/links/{token}` is what it leads to.
//!
//! Opening the link changes nothing: programs that look through mail for their users open it too. The button on the page signs
//! in, and only the browser that asked. A link that whoever runs the server has printed signs in the browser it is opened in.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use etui_api::session::Token;
use http::StatusCode;
use serde::Deserialize;

use super::{Browser, Next, Page, PageError, PageForm, Proof, go_on, hidden, with_cookies};
use crate::{
    app::App,
    document::escape,
    limits::{self, Target},
    links::{self, Starter},
    parameters::Client,
    sign_in::{self, Factors},
};

#[derive(Deserialize)]
pub(super) struct Asked {
    email: String,
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// A form, where letters are sent.
pub(super) fn offer(app: &App, next: &Next) -> String {
    if !app.sends_mail() {
        return String::new();
    }
    format!(
        "<form method=\"post\" action=\"/sign-in/links\">{}<p><label for=\"email\">E-mail address</label>\
         <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"email\" required></p>\
         <p><button>Send me a link</button></p></form>",
        hidden("next", &next.address())
    )
}

pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Client(client): Client,
    browser: Browser,
    PageForm(Asked { email, next }): PageForm<Asked>,
) -> Result<Response, PageError> {
    // Not given back: whoever has many letters sent has to wait.
    limits::attempt(&app, client, Target::Letter(&email), None).await?;
    let (browser, cookie) = browser.or_new()?;
    let next = Next::read(next.as_deref());
    links::ask(&app, &email, &Starter::Browser { browser, next }).await?;
    let content = "<p>If there is an account with that address, a letter is on its way to it.</p>\
         <p>Open the link in it in <strong>this browser</strong>, within ten minutes.</p>";
    Ok(with_cookies(Page::new("A link is on its way", content).respond(StatusCode::ACCEPTED), cookie))
}

/// The address of the form is written of what was read, and never of other text: a slash in it, however it is written, would lead
/// the button to another page.
pub(super) async fn show(Path(token): Path<String>) -> Result<Response, PageError> {
    let token = Token::new(token);
    sign_in::secret_hash(&token)?;
    let content = format!(
        "<form method=\"post\" action=\"/sign-in/links/{}\"><p><button>Sign in</button></p></form>\
         <p>The link works once, in the browser that asked for it.</p>",
        escape(token.expose())
    );
    Ok(Page::new("Sign in", &content).respond(StatusCode::OK))
}

pub(super) async fn open(
    State(app): State<Arc<App>>,
    Client(client): Client,
    browser: Browser,
    Path(token): Path<String>,
    _form: PageForm<Nothing>,
) -> Result<Response, PageError> {
    let token = Token::new(token);
    let opened = links::open(&app, browser.hash(), &token);
    let (claim, next) = limits::within_try(&app, client, Target::Code, None, opened).await?;
    go_on(&app, Proof { claim, shown: Factors::One, session_id: None }, &next).await
}
