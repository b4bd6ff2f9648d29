//! Plain pages for what has to happen in a browser: coming back from a provider, following a link, passkeys, letting a program
//! in. They work without script where the browser allows it, and with a keyboard and a screen reader.
//!
//! Two cookies, both `__Host-` and `HttpOnly`: one names the browser, so that a link or a provider's answer counts only where
//! it was asked for; one names a page session, which lasts as long as [`etui_store::FRESH_MS`] and reaches these pages alone.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse as _, Response},
};
use etui_api::{ErrorCode, session::Token};
use etui_chain::{AccountId, Digest, Id};
use etui_store::{FRESH_MS, Fresh, Purpose, SessionId};
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    request::Parts,
};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock,
    cookies::{self, SameSite},
    document::{STYLE, escape},
    envelope::Speaker,
    log, one_time,
    problem::ApiError,
    sign_in,
};

const BROWSER_COOKIE: &str = "__Host-etui-browser";
const PAGE_COOKIE: &str = "__Host-etui-page";
/// A browser is known for as long as anything can be finished that it began.
const BROWSER_SECONDS: u64 = 3600;

/// A page: what it is about, and its content as HTML, in which every value has been through [`escape`].
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) content: &'a str,
    /// Origins beside this one to which a form may lead, such as a provider's.
    pub(crate) form_targets: &'a [&'a str],
    /// The address of a script of this server, where the page cannot do without one.
    pub(crate) script: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// Without a script, with forms that lead here alone.
    pub(crate) const fn new(title: &'a str, content: &'a str) -> Self {
        Self { title, content, form_targets: &[], script: None }
    }

    /// As an answer.
    pub(crate) fn respond(&self, status: StatusCode) -> Response {
        let title = escape(self.title);
        let script =
            self.script.map(|address| format!("<script src=\"{}\" defer></script>", escape(address)));
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · Etui</title>\
             <style>{STYLE}</style>{}</head><body><main><h1>{title}</h1>{}</main></body></html>",
            script.unwrap_or_default(),
            self.content
        );
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, self.policy()),
        ];
        (status, headers, html).into_response()
    }

    fn policy(&self) -> HeaderValue {
        let targets: String = self.form_targets.iter().map(|target| format!(" {target}")).collect();
        let script = if self.script.is_some() { "script-src 'self'; connect-src 'self'; " } else { "" };
        let policy = format!(
            "default-src 'none'; {script}style-src 'unsafe-inline'; form-action 'self'{targets}; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        HeaderValue::from_str(&policy).expect("origins are header values")
    }
}

/// A failure on a page: the same words as in a problem document, for people.
pub(crate) struct PageError(ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for PageError {
    fn into_response(self) -> Response {
        let problem = self.0.problem();
        let status = StatusCode::from_u16(problem.status).expect("every code has a status");
        let detail = problem.detail.as_deref().unwrap_or_default();
        let content = format!(
            "<p role=\"alert\">{}</p><p>Nothing was changed. <a href=\"/\">Go to the start</a></p>",
            escape(detail)
        );
        let mut response = Page::new(&problem.title, &content).respond(status);
        // For the log alone: the page stays.
        if status.is_server_error() {
            log::error("failed").cause(self.0.cause().cloned()).code(problem.code).write();
        }
        if let Some(seconds) = self.0.retry_after_s() {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A request that changes something and comes from a page of this server, not from somebody else's.
pub(crate) struct SameOrigin;

impl FromRequestParts<Arc<App>> for SameOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if cookies::is_same_origin(parts, app) || parts.method == Method::GET {
            return Ok(Self);
        }
        Err(ApiError::because(ErrorCode::BadRequest, "The request came from another site."))
    }
}

/// What names the browser, where it has been here before.
pub(crate) struct Browser(Option<Token>);

impl Browser {
    /// The hash of its name, to be compared with that of the browser which began something.
    pub(crate) fn hash(&self) -> Option<Digest> {
        one_time::stored_hash(self.0.as_ref()?)
    }

    /// The hash of its name, and the cookie that gives it one if it has none.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub(crate) fn or_new(&self) -> Result<(Digest, Option<HeaderValue>), ApiError> {
        if let Some(hash) = self.hash() {
            return Ok((hash, None));
        }
        let (name, hash) = one_time::draw()?;
        Ok((hash, Some(cookie(BROWSER_COOKIE, name.expose(), BROWSER_SECONDS))))
    }
}

impl FromRequestParts<Arc<App>> for Browser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(cookies::read(&parts.headers, BROWSER_COOKIE)))
    }
}

/// Whoever has signed in on a page of this server a moment ago.
pub(crate) struct PageAccess(pub(crate) Fresh);

#[derive(Serialize, Deserialize)]
struct PageBody {
    /// The session of the device that opened the page: it goes on when credentials change.
    session_id: Option<Id>,
}

impl FromRequestParts<Arc<App>> for PageAccess {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        let unknown = || ApiError::because(ErrorCode::Unauthenticated, "Sign in first.");
        let secret = cookies::read(&parts.headers, PAGE_COOKIE).ok_or_else(unknown)?;
        let secret_hash = one_time::stored_hash(&secret).ok_or_else(unknown)?;
        let pending = app.store.pending(secret_hash, Purpose::Page, clock::now_ms()).await?;
        let pending = pending.ok_or_else(unknown)?;
        let account_id = pending.account_id.ok_or_else(unknown)?;
        let PageBody { session_id } = sign_in::body(&pending.body)?;
        let fresh = app.store.present(account_id, session_id.map(SessionId::new)).await?;
        Speaker::note(parts, fresh.pseudonyms());
        Ok(Self(fresh))
    }
}

impl OptionalFromRequestParts<Arc<App>> for PageAccess {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Option<Self>, PageError> {
        Ok(<Self as FromRequestParts<_>>::from_request_parts(parts, app).await.ok())
    }
}

/// Opens the pages for whoever has just been proven to hold an account, all factors shown: the cookie that does it.
///
/// # Errors
/// The store's.
pub(crate) async fn open(
    app: &App,
    account_id: AccountId,
    session_id: Option<SessionId>,
) -> Result<HeaderValue, ApiError> {
    let body = PageBody { session_id: session_id.map(SessionId::id) };
    let lifetime = Duration::from_millis(FRESH_MS);
    let secret = sign_in::begin(app, Purpose::Page, Some(account_id), &body, 1, lifetime).await?;
    Ok(cookie(PAGE_COOKIE, secret.expose(), FRESH_MS / 1000))
}

/// Closes them: the cookie that does it.
pub(crate) fn close() -> HeaderValue {
    cookie(PAGE_COOKIE, "", 0)
}

/// Coming back from a provider or from a mail is coming from another site; what changes something asks for [`SameOrigin`]
/// besides.
fn cookie(name: &str, value: &str, seconds: u64) -> HeaderValue {
    cookies::set(name, value, seconds, SameSite::Lax)
}
