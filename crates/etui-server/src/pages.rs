//! Plain pages for what has to happen in a browser: coming back from a provider, following a link, passkeys, letting a program
//! in. They work without script where the browser allows it, and with a keyboard and a screen reader.
//!
//! Three cookies, all `__Host-` and `HttpOnly`: one names the browser, so that a link or a provider's answer counts only where
//! it was asked for; one says that a second factor is missing; one names a page session, which lasts as long as [`etui_store::FRESH_MS`] and reaches these pages alone.
//!
//! Whatever way somebody signs in by, it ends in [`go_on`].

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{FromRequest, FromRequestParts, Query, Request},
    response::{IntoResponse as _, Response},
};
use etui_api::ErrorCode;
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, SET_COOKIE},
    request::Parts,
};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::{
    app::App,
    cookies,
    document::{END, beginning, escape},
    log,
    problem::ApiError,
};

mod access;
mod account;
mod authorize;
mod browser;
mod device;
mod devices;
mod hand_over;
mod home;
mod invitation;
mod link;
mod next;
mod passkeys;
mod provider;
mod routes;
mod second_factor;
mod sign_in;

use access::Visitor;
pub(crate) use access::{PageAccess, Proof, go_on};
pub(crate) use authorize::Authorized;
pub(crate) use browser::Browser;
pub(crate) use hand_over::HandOver;
pub(crate) use next::Next;

/// Every page, and everything that a form on one of them sends.
pub(crate) fn router() -> Router<Arc<App>> {
    routes::all().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.answer))
}

/// What each of them is asked for by.
pub fn asked_for() -> Vec<(Method, &'static str)> {
    routes::all().into_iter().map(|route| (route.method, route.path)).collect()
}

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

    /// With the script that asks for passkeys.
    pub(crate) const fn with_passkeys(title: &'a str, content: &'a str) -> Self {
        Self { script: Some(passkeys::SCRIPT), ..Self::new(title, content) }
    }

    /// As an answer.
    pub(crate) fn respond(&self, status: StatusCode) -> Response {
        let title = escape(self.title);
        let script =
            self.script.map(|address| format!("<script src=\"{}\" defer></script>", escape(address)));
        let html = beginning(&title, &script.unwrap_or_default(), false) + self.content + END;
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, self.policy()),
        ];
        (status, headers, html).into_response()
    }

    fn policy(&self) -> HeaderValue {
        let targets = [&["'self'"], self.form_targets].concat().join(" ");
        let script = if self.script.is_some() { "script-src 'self'; connect-src 'self'; " } else { "" };
        let policy = format!(
            "default-src 'none'; {script}style-src 'unsafe-inline'; form-action {targets}; \
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
        let detail = problem.detail.as_deref().map(escape).unwrap_or_default();
        let wait = self.0.retry_after_s().map(try_again).unwrap_or_default();
        let content = format!(
            "<p role=\"alert\">{detail}{wait}</p><p>Nothing was changed. <a href=\"/account\">Go to your account</a></p>"
        );
        let mut response = Page::new(problem.title.trim_end_matches('.'), &content).respond(status);
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

fn try_again(seconds: u32) -> String {
    match seconds {
        0..=1 => "Try again in a second.".to_owned(),
        2..=90 => format!("Try again in {seconds} seconds."),
        more => format!("Try again in {} minutes.", more.div_ceil(60)),
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

/// A form that was filled in on a page of this server.
pub(crate) struct PageForm<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for PageForm<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        SameOrigin::from_request_parts(&mut parts, app).await?;
        match Form::from_request(Request::from_parts(parts, body), app).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(_) => {
                Err(ApiError::because(ErrorCode::BadRequest, "The form is not one of this page.").into())
            }
        }
    }
}

/// What stands in a page's address.
pub(crate) struct PageQuery<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for PageQuery<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, PageError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(ApiError::because(ErrorCode::BadRequest, "The address is not complete.").into()),
        }
    }
}

/// Sends the browser on, with cookies.
pub(crate) fn see_other(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(to).expect("an address is a header value"));
    with_cookies(response, cookies)
}

/// An answer that sets cookies.
pub(crate) fn with_cookies(
    mut response: Response,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// A value that a form sends along.
pub(crate) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}

/// A day, in UTC.
fn day(time_ms: u64) -> String {
    let time = i64::try_from(time_ms / 1000).ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    time.map(|time| time.date().to_string()).unwrap_or_default()
}

/// Who has signed in, as a page names them.
async fn who(app: &App, visitor: &Visitor) -> Result<String, ApiError> {
    match visitor {
        Visitor::Holder(PageAccess { proof, .. }) | Visitor::Kept(proof, _) => {
            Ok(escape(&app.store.ways(proof.claim.account_id()).await?.email))
        }
        Visitor::Newcomer(newcomer) => {
            Ok(format!("{} (an account that is yet to be made)", escape(&newcomer.describe(app))))
        }
    }
}
