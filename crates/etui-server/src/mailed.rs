//! What a letter brings: a secret that finishes what was begun somewhere else. It is drawn when the letter is written, and only its
//! hash is kept.

use std::time::Duration;

use etui_api::session::Token;
use etui_chain::Digest;
use etui_store::{Claim, NewPending, Pending, Purpose, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::{app::App, clock, one_time, problem::ApiError, sign_in};

/// A secret that somebody has got.
pub(crate) struct Mailed {
    hash: Digest,
    /// Whose account it is about.
    pub(crate) claim: Claim,
    /// What it finishes; nothing where whoever runs the server has handed it out.
    pub(crate) begun: Option<Digest>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    claim: Claim,
    begun: Option<Digest>,
}

/// A secret for an account, which finishes what was begun under a hash.
///
/// # Errors
/// The store's; no random bytes.
pub(crate) async fn draw(
    store: &Store,
    claim: Claim,
    begun: Option<Digest>,
    lifetime: Duration,
    now_ms: u64,
) -> Result<Token, StoreError> {
    let (token, secret_hash) = one_time::draw().map_err(|source| StoreError::Random { source })?;
    let body = serde_json::to_vec(&Body { claim, begun }).expect("ids and hashes are plain JSON");
    let (purpose, claim) = (Purpose::Mailed, Some(claim));
    let pending = NewPending { secret_hash, purpose, claim, body: &body, tries: 1, lifetime };
    store.begin_pending(pending, now_ms).await?;
    Ok(token)
}

/// The address of the page that a token for a browser leads to.
pub(crate) fn link(url: &str, token: &Token) -> Token {
    Token::new(format!("{url}/sign-in/links/{}", token.expose()))
}

impl Mailed {
    /// Looks a secret up, without using it up.
    ///
    /// # Errors
    /// `no_longer_valid`.
    pub(crate) async fn find(app: &App, token: &Token) -> Result<Self, ApiError> {
        let hash = sign_in::secret_hash(token)?;
        let pending = app.store.pending(hash, Purpose::Mailed, clock::now_ms()).await?;
        let pending = pending.ok_or_else(sign_in::no_longer_valid)?;
        let Body { claim, begun } = sign_in::body(&pending.body)?;
        Ok(Self { hash, claim, begun })
    }

    /// What it finishes, still as it was begun.
    ///
    /// # Errors
    /// `no_longer_valid`.
    pub(crate) async fn begun(&self, app: &App, purpose: Purpose) -> Result<Pending, ApiError> {
        let begun = self.begun.ok_or_else(sign_in::no_longer_valid)?;
        let pending = app.store.pending(begun, purpose, clock::now_ms()).await?;
        pending.ok_or_else(sign_in::no_longer_valid)
    }

    /// Uses it up, and what it finishes: of any number of callers one gets through.
    ///
    /// # Errors
    /// `no_longer_valid`.
    pub(crate) async fn take(self, app: &App, purpose: Purpose) -> Result<(), ApiError> {
        if let Some(begun) = self.begun {
            let taken = app.store.take_pending(begun, purpose, clock::now_ms()).await?;
            taken.ok_or_else(sign_in::no_longer_valid)?;
        }
        let taken = app.store.take_pending(self.hash, Purpose::Mailed, clock::now_ms()).await?;
        taken.map(drop).ok_or_else(sign_in::no_longer_valid)
    }
}
