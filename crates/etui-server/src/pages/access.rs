//! Page sessions: who has signed in on the pages of this server, and how far.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::Response,
};
use etui_api::{ErrorCode, session::Token};
use etui_chain::{DeviceId, Digest, Id};
use etui_store::{
    Action, Claim, CredentialChange, FRESH_MS, Fresh, Outcome, Pending, Presence, Purpose, SessionId,
    StoreError,
};
use http::{HeaderValue, request::Parts};
use serde::{Deserialize, Serialize};

use super::{Next, PageError, second_factor, see_other};
use crate::{
    app::App,
    clock,
    cookies::{self, SameSite},
    credentials,
    envelope::Speaker,
    let_in::LetIn,
    newcomer::Newcomer,
    one_time,
    problem::ApiError,
    refusals,
    sign_in::{self, Factors},
};

const PAGE_COOKIE: &str = "__Host-etui-page";

/// Somebody has been proven to hold an account, in this browser.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) claim: Claim,
    pub(crate) shown: Factors,
    /// The session of the device that opened the page: it goes on when credentials change.
    pub(crate) session_id: Option<Id>,
}

impl Proof {
    fn presence(&self) -> Presence {
        match (self.session_id, self.shown) {
            (Some(session_id), _) => Presence::OpenedBy(SessionId::new(session_id)),
            (None, Factors::None) => Presence::Vouched,
            (None, Factors::One) => Presence::OneFactor,
            (None, Factors::Two) => Presence::TwoFactors,
        }
    }
}

/// The end of every way to sign in on a page: asks for what is still missing, or opens the pages and goes on.
///
/// # Errors
/// The store's.
pub(crate) async fn go_on(app: &App, proof: Proof, next: &Next) -> Result<Response, PageError> {
    if proof.shown != Factors::Two && app.store.totp(proof.claim.account_id()).await?.is_some() {
        return second_factor::ask(app, proof, next).await;
    }
    let cookie = open(app, proof).await?;
    Ok(see_other(&next.address(), [cookie]))
}

/// Opens the pages for whoever holds an account, all factors shown, and notes it: the cookie that does it. Who may change nothing
/// may still let a program in.
///
/// # Errors
/// `account_disabled`, which is noted, too.
pub(super) async fn open(app: &App, proof: Proof) -> Result<HeaderValue, ApiError> {
    let (now_ms, action, account_id) = (clock::now_ms(), Action::OpenPages, proof.claim.account_id());
    let present = app.store.present(proof.claim, proof.presence(), now_ms).await;
    let noted = refusals::noted(app, account_id, action, None);
    let fresh = match present {
        Err(why) if may_let_in(&why) => {
            noted(&why.into());
            None
        }
        present => Some(present.map_err(ApiError::from).inspect_err(noted)?),
    };
    let until_ms = now_ms.saturating_add(FRESH_MS);
    let body = PageBody { visitor: Who::Holder(proof), until_ms };
    let cookie = begin(app, Some(proof.claim), body).await?;
    if let Some(fresh) = fresh {
        app.store.note(&fresh, action, None, Outcome::Done, now_ms).await?;
    }
    Ok(cookie)
}

/// Whether it keeps a holder from changing anything, and not from letting a program in: that waits as well, keeps the account, or
/// changes nothing either.
const fn may_let_in(why: &StoreError) -> bool {
    matches!(why, StoreError::AwaitsApproval | StoreError::Leaving { .. } | StoreError::NotFresh)
}

/// Opens them for somebody without an account.
///
/// # Errors
/// The store's.
pub(super) async fn open_for_newcomer(app: &App, newcomer: Newcomer) -> Result<HeaderValue, ApiError> {
    let until_ms = clock::now_ms().saturating_add(FRESH_MS);
    begin(app, None, PageBody { visitor: Who::Newcomer(newcomer), until_ms }).await
}

/// Closes them: the cookie that does it.
pub(super) fn close() -> HeaderValue {
    cookie("", 0)
}

/// Whoever has signed in on a page of this server a moment ago.
pub(crate) struct PageAccess {
    pub(crate) fresh: Fresh,
    /// By which factors, and with which device's session.
    pub(crate) proof: Proof,
    until_ms: u64,
}

impl PageAccess {
    /// Changes how the account is signed in to. That ends all page sessions, this one too: the cookie of another until the same
    /// time.
    ///
    /// # Errors
    /// Those of [`credentials::change`].
    pub(crate) async fn change(&self, app: &App, change: CredentialChange) -> Result<HeaderValue, ApiError> {
        let claim = credentials::change(app, &self.fresh, change).await?;
        self.reopen(app, claim).await
    }

    /// Another page session until the same time, after a change that the holder has made.
    ///
    /// # Errors
    /// `no_longer_valid` if another one has been made meanwhile.
    pub(crate) async fn reopen(&self, app: &App, claim: Claim) -> Result<HeaderValue, ApiError> {
        let proof = Proof { claim, ..self.proof };
        begin(app, Some(claim), PageBody { visitor: Who::Holder(proof), until_ms: self.until_ms }).await
    }
}

/// Whoever has been here a moment ago, with an account or without.
pub(super) struct Visit {
    pub(super) visitor: Visitor,
    secret_hash: Digest,
}

pub(super) enum Visitor {
    Holder(PageAccess),
    /// Holds an account and may let programs in, which then wait like any new device, and do nothing else: why.
    Kept(Proof, ApiError),
    Newcomer(Newcomer),
}

impl Visitor {
    /// Notes what the holder of an account decided about a device that asked to be let in.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn note_decision(
        &self,
        app: &App,
        device_id: DeviceId,
        outcome: Outcome,
    ) -> Result<(), ApiError> {
        if let Self::Holder(PageAccess { fresh, .. }) = self {
            app.store.note(fresh, Action::LetDeviceIn, Some(device_id), outcome, clock::now_ms()).await?;
        }
        Ok(())
    }
}

impl Visit {
    /// Ends it, here and for whoever has copied its cookie.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn end(&self, app: &App) -> Result<(), ApiError> {
        app.store.take_pending(self.secret_hash, Purpose::Page, clock::now_ms()).await?;
        Ok(())
    }

    /// Uses one of the few tries at a code up that a page session has.
    ///
    /// # Errors
    /// `too_many_requests` after the last.
    pub(super) async fn try_code(&self, app: &App) -> Result<(), ApiError> {
        let tried = app.store.try_pending(self.secret_hash, Purpose::Page, clock::now_ms()).await?;
        let too_many = || ApiError::because(ErrorCode::TooManyRequests, "Too many codes. Sign in again.");
        tried.map(drop).ok_or_else(too_many)
    }
}

#[derive(Serialize, Deserialize)]
struct PageBody {
    visitor: Who,
    until_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Holder(Proof),
    Newcomer(Newcomer),
}

impl FromRequestParts<Arc<App>> for PageAccess {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        match visit(parts, app).await?.map(|visit| visit.visitor) {
            Some(Visitor::Holder(access)) => Ok(access),
            Some(Visitor::Kept(_, why)) => Err(why.into()),
            _ => Err(ApiError::because(ErrorCode::Unauthenticated, "Sign in first.").into()),
        }
    }
}

impl OptionalFromRequestParts<Arc<App>> for PageAccess {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Option<Self>, PageError> {
        match visit(parts, app).await?.map(|visit| visit.visitor) {
            Some(Visitor::Holder(access)) => Ok(Some(access)),
            _ => Ok(None),
        }
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        let unknown = || ApiError::because(ErrorCode::Unauthenticated, "Sign in first.");
        Ok(visit(parts, app).await?.ok_or_else(unknown)?)
    }
}

impl OptionalFromRequestParts<Arc<App>> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Option<Self>, PageError> {
        Ok(visit(parts, app).await?)
    }
}

async fn visit(parts: &mut Parts, app: &App) -> Result<Option<Visit>, ApiError> {
    let secret_hash = cookies::read(&parts.headers, PAGE_COOKIE).as_ref().and_then(one_time::stored_hash);
    let Some(secret_hash) = secret_hash else { return Ok(None) };
    let Some(pending) = app.store.pending(secret_hash, Purpose::Page, clock::now_ms()).await? else {
        return Ok(None);
    };
    let Some(visitor) = visitor(app, &pending).await? else { return Ok(None) };
    if let Visitor::Holder(access) = &visitor {
        Speaker::note(parts, access.fresh.pseudonyms());
    }
    Ok(Some(Visit { visitor, secret_hash }))
}

/// `None` if the account is gone, or the device that opened the page was signed out.
async fn visitor(app: &App, pending: &Pending) -> Result<Option<Visitor>, ApiError> {
    let PageBody { visitor, until_ms } = sign_in::body(&pending.body)?;
    let proof = match visitor {
        Who::Newcomer(newcomer) => return Ok(Some(Visitor::Newcomer(newcomer))),
        Who::Holder(proof) => proof,
    };
    match app.store.present(proof.claim, proof.presence(), clock::now_ms()).await {
        Ok(fresh) => Ok(Some(Visitor::Holder(PageAccess { fresh, proof, until_ms }))),
        Err(why) if may_let_in(&why) => Ok(Some(Visitor::Kept(proof, why.into()))),
        Err(StoreError::NotFound | StoreError::SessionEnded) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn begin(app: &App, claim: Option<Claim>, body: PageBody) -> Result<HeaderValue, ApiError> {
    let lifetime = Duration::from_millis(body.until_ms.saturating_sub(clock::now_ms()));
    let secret: Token = sign_in::begin(app, Purpose::Page, claim, &body, sign_in::TRIES, lifetime).await?;
    Ok(cookie(secret.expose(), lifetime.as_secs()))
}

/// Coming back from a provider or from a mail is coming from another site; what changes something asks for
/// [`super::SameOrigin`] besides.
fn cookie(value: &str, seconds: u64) -> HeaderValue {
    cookies::set(PAGE_COOKIE, value, seconds, SameSite::Lax)
}

impl From<&Visitor> for LetIn {
    fn from(visitor: &Visitor) -> Self {
        match visitor {
            Visitor::Holder(PageAccess { proof, .. }) | Visitor::Kept(proof, _) => {
                Self::Holder { claim: proof.claim, shown: proof.shown }
            }
            Visitor::Newcomer(newcomer) => Self::Newcomer(newcomer.clone()),
        }
    }
}
