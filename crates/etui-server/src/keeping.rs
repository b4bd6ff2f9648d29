//! How a client keeps its session: a program by itself, a browser in a cookie that no script can read.
//!
//! A browser asks for it with `Etui-Keep: cookie`. The refresh token then never is in an answer that a script sees; it comes
//! back by itself with a refresh, which is taken only from this server's own pages: the cookie is `Strict`, the request must
//! say that it is of the same origin, and its content type makes a browser ask first, which nobody else is allowed.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use etui_api::session::{Session, Token};
use http::{HeaderName, HeaderValue, header::SET_COOKIE, request::Parts};

use crate::{
    app::App,
    cookies::{self, SameSite},
    routes::sessions,
};

const COOKIE: &str = "__Host-etui-session";
const ETUI_KEEP: HeaderName = HeaderName::from_static("etui-keep");

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It keeps the refresh token itself.
    Itself,
    /// A cookie keeps it.
    Cookie,
}

impl FromRequestParts<Arc<App>> for Keeping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Infallible> {
        let wants = parts.headers.get(ETUI_KEEP).is_some_and(|value| value == "cookie");
        Ok(if wants { Self::Cookie } else { Self::Itself })
    }
}

impl Keeping {
    /// The answer to signing in, signing up and refreshing.
    pub(crate) fn answer(self, mut session: Session) -> Response {
        match self {
            Self::Itself => Json(session).into_response(),
            Self::Cookie => {
                let token = session.refresh_token.take();
                let cookie = token.map(|token| cookie(token.expose(), sessions::LIFETIME_MS / 1000));
                (cookie.map(|cookie| [(SET_COOKIE, cookie)]), Json(session)).into_response()
            }
        }
    }
}

/// The refresh token that a cookie brings.
pub(crate) struct KeptToken(pub(crate) Option<Token>);

impl FromRequestParts<Arc<App>> for KeptToken {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let same_origin = cookies::is_same_origin(parts, app);
        Ok(Self(cookies::read(&parts.headers, COOKIE).filter(|_| same_origin)))
    }
}

/// Has the browser forget it.
pub(crate) fn forgotten() -> HeaderValue {
    cookie("", 0)
}

fn cookie(value: &str, seconds: u64) -> HeaderValue {
    cookies::set(COOKIE, value, seconds, SameSite::Strict)
}
