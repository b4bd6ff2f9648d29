//! Cookies of this server: all `__Host-`, `Secure` and `HttpOnly`, so that no script reads them and no other host sets them.

use etui_api::session::Token;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, ORIGIN},
    request::Parts,
};

use crate::app::App;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// From where a browser sends a cookie along.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SameSite {
    /// From this server's own pages.
    Strict,
    /// When somebody comes here from another site, too: back from a provider, or from a mail.
    Lax,
}

/// A cookie for so many seconds; none forgets it.
pub(crate) fn set(name: &str, value: &str, seconds: u64, same_site: SameSite) -> HeaderValue {
    let same_site = match same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
    };
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("base64url is a header value")
}

/// What a cookie brings.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<Token> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| Token::new(value.to_owned()))
}

/// Whether a page of this server sends the request: a browser says so itself, and an old one at least its origin.
pub(crate) fn is_same_origin(parts: &Parts, app: &App) -> bool {
    let header = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    match header(&SEC_FETCH_SITE) {
        Some(site) => site == "same-origin",
        None => header(&ORIGIN) == Some(app.url.as_str()),
    }
}
