//! The browser: what names it, and whether it keeps cookies of this server at all.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use etui_api::session::Token;
use etui_chain::Digest;
use http::{HeaderValue, request::Parts};
use url::Url;

use crate::{
    app::App,
    cookies::{self, SameSite},
    document::escape,
    one_time,
    problem::ApiError,
    settings::is_private,
};

const BROWSER_COOKIE: &str = "__Host-etui-browser";
/// A browser is known for as long as anything can be finished that it began.
const BROWSER_SECONDS: u64 = 3600;

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
        Ok((hash, Some(cookies::set(BROWSER_COOKIE, name.expose(), BROWSER_SECONDS, SameSite::Lax))))
    }
}

impl FromRequestParts<Arc<App>> for Browser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(cookies::read(&parts.headers, BROWSER_COOKIE)))
    }
}

/// What to tell people where browsers will refuse the cookies: they keep them only where nobody on the way can read them.
pub(super) fn refuses_cookies(app: &App) -> Option<String> {
    let private = Url::parse(&app.url).is_ok_and(|url| is_private(&url));
    (!private).then(|| {
        format!(
            "<p role=\"alert\"><strong>This address ({}) is not encrypted</strong>, so browsers keep no cookies of \
             it that could sign you in, and these pages do not work. Whoever runs this server can mend that: give it \
             a certificate (<code>--tls-certificate</code>), or a proxy that serves HTTPS and its address \
             (<code>--public-url https://…</code>). On the machine itself <code>http://localhost</code> works.</p>",
            escape(&app.url)
        )
    })
}
