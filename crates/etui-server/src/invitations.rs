//! Who may make an account, and the links by which others may.

use std::time::Duration;

use etui_api::{ErrorCode, server::SignUpMode, session::Token};
use etui_store::{Administrator, Admission, Invitation, Role, Store, StoreError};
use http::HeaderMap;

use crate::{
    app::App, client_address::was_forwarded, clock, one_time, problem::ApiError, settings::Settings,
};

/// Where the page is that says what to do with an invitation.
pub(crate) const PATH: &str = "/invitation";
/// How long an invitation counts if nothing else is said.
pub(crate) const DEFAULT_DAYS: u16 = 7;
/// No invitation counts for longer.
pub(crate) const MAX_DAYS: u16 = 365;

/// What an invitation gives to whoever follows it.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The only address that it admits, in the form of `etui_api::email::normalize_email`; any if absent.
    pub(crate) email: Option<String>,
    pub(crate) role: Role,
    /// The plan of the new account; the server's own if absent.
    pub(crate) plan: Option<String>,
    /// Whether its link goes to that address by mail, and is shown to nobody.
    pub(crate) mailed: bool,
    pub(crate) days: u16,
}

/// Refuses whoever could not sign up with anything, before reading what they send.
///
/// # Errors
/// `sign_up_closed`.
pub(crate) fn require_sign_ups(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    match mode(app, headers) {
        SignUpMode::Closed => Err(ApiError::because(ErrorCode::SignUpClosed, "Ask whoever runs it.")),
        SignUpMode::Open | SignUpMode::Invite => Ok(()),
    }
}

/// Why whoever asks may sign up. An invitation counts everywhere: it may give more than signing up without one.
///
/// # Errors
/// `invitation_required`.
pub(crate) fn admission(
    app: &App,
    headers: &HeaderMap,
    invitation: Option<&Token>,
) -> Result<Admission, ApiError> {
    let required =
        || ApiError::because(ErrorCode::InvitationRequired, "Ask whoever runs this server for a link.");
    match invitation {
        Some(secret) => one_time::stored_hash(secret).map(Admission::Invited).ok_or_else(required),
        None if mode(app, headers) == SignUpMode::Open => {
            let at_home = app.settings.is_at_home() && !was_forwarded(headers);
            Ok(Admission::Open { at_home })
        }
        None => Err(required()),
    }
}

/// An invitation that can be followed from now on.
pub(crate) struct Invited {
    /// Leads to it, and is a secret: it is to be shown, and only here.
    pub(crate) link: Token,
    /// Until when it counts, in ms since 1970.
    pub(crate) expires_ms: u64,
}

/// Invites somebody.
///
/// # Errors
/// The store's; no random bytes.
pub(crate) async fn invite(
    store: &Store,
    administrator: &Administrator,
    url: &str,
    terms: Terms,
) -> Result<Invited, StoreError> {
    let now_ms = clock::now_ms();
    let (invitation, link) = draw(url, terms, now_ms)?;
    store.invite(administrator, &invitation, now_ms).await?;
    Ok(Invited { link, expires_ms: invitation.expires_ms })
}

/// A link for whoever is to be the administrator of a server that has none, where that is not whoever comes first.
///
/// # Errors
/// `Database`.
pub(crate) async fn set_up_link(
    store: &Store,
    settings: &Settings,
    url: &str,
) -> Result<Option<Token>, StoreError> {
    let of_whoever_comes_first = settings.is_at_home() && settings.sign_up_mode(false) == SignUpMode::Open;
    if of_whoever_comes_first || settings.sign_up_mode(false) == SignUpMode::Closed {
        return Ok(None);
    }
    let terms =
        Terms { email: None, role: Role::Administrator, plan: None, mailed: false, days: DEFAULT_DAYS };
    let now_ms = clock::now_ms();
    let (invitation, link) = draw(url, terms, now_ms)?;
    Ok(store.invite_first_administrator(&invitation, now_ms).await?.then_some(link))
}

fn draw(url: &str, terms: Terms, now_ms: u64) -> Result<(Invitation, Token), StoreError> {
    let (secret, secret_hash) = one_time::draw().map_err(|source| StoreError::Random { source })?;
    let Terms { email, role, plan, mailed, days } = terms;
    let lifetime = Duration::from_hours(24 * u64::from(days));
    let expires_ms = now_ms.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX));
    let link = Token::new(format!("{url}{PATH}#{}", secret.expose()));
    Ok((Invitation { secret_hash, email, role, plan, mailed, expires_ms }, link))
}

fn mode(app: &App, headers: &HeaderMap) -> SignUpMode {
    app.settings.sign_up_mode(was_forwarded(headers))
}
