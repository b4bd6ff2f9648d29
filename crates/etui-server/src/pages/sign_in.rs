//! `GET /sign-in`: every way to sign in that works in a browser. `POST /sign-out`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Browser, Next, Page, PageError, PageForm, PageQuery, access, access::Visit, browser, link, passkeys,
    provider, see_other, with_cookies,
};
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Option<Visit>,
    browser: Browser,
    PageQuery(Asked { next }): PageQuery<Asked>,
) -> Result<Response, PageError> {
    let next = Next::read(next.as_deref());
    if visit.is_some() {
        return Ok(see_other(&next.address(), []));
    }
    let (_, cookie) = browser.or_new()?;
    let content = match browser::refuses_cookies(&app) {
        Some(reason) => reason,
        None => ways(&app, &next),
    };
    Ok(with_cookies(Page::with_passkeys("Sign in", &content).respond(StatusCode::OK), cookie))
}

pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    visit: Option<Visit>,
    _form: PageForm<Nothing>,
) -> Result<Response, PageError> {
    if let Some(visit) = visit {
        visit.end(&app).await?;
    }
    Ok(see_other("/sign-in", [access::close()]))
}

/// Each way brings its own form.
fn ways(app: &App, next: &Next) -> String {
    let offered = [passkeys::offer(app, next), link::offer(app, next), provider::offer(app, next)].concat();
    let offered = if offered.is_empty() {
        "<p>This server has no way to sign in that works in a browser by itself.</p>".to_owned()
    } else {
        offered
    };
    format!(
        "{offered}<h2>With a login password</h2>\
         <p>A login password is never typed into a page: what is sent is made from it on your device. Where you are \
         signed in, <code>etui account open</code> opens your account in this browser.</p>\
         <p>Signing in says who you are. It unlocks nothing: that takes your master password, on your device.</p>"
    )
}
