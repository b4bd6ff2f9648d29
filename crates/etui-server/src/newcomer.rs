//! Somebody without an account who has shown who they are, and may make one without a login password.

use etui_api::{ErrorCode, Problem, session::Token};
use etui_store::{CredentialChange, Identity, Purpose};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock,
    problem::ApiError,
    provider::Identified,
    sign_in::{self, PATIENCE},
};

/// What they have shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Newcomer {
    /// An account at a provider.
    Provider {
        issuer: String,
        subject: String,
        /// An address that the provider vouches for.
        email: Option<String>,
    },
}

impl Newcomer {
    /// The way to sign in that the new account begins with.
    pub(crate) fn credential(self) -> CredentialChange {
        match self {
            Self::Provider { issuer, subject, .. } => {
                CredentialChange::LinkIdentity(Identity { issuer, subject })
            }
        }
    }

    /// Who that is, for people.
    pub(crate) fn describe(&self, app: &App) -> String {
        match self {
            Self::Provider { issuer, subject, email } => {
                let identity = Identity { issuer: issuer.clone(), subject: subject.clone() };
                let who = email.as_deref().unwrap_or(subject);
                format!("{who} at {}", app.providers.title(&identity))
            }
        }
    }
}

impl From<Identified> for Newcomer {
    fn from(identified: Identified) -> Self {
        let Identified { identity: Identity { issuer, subject }, email, .. } = identified;
        Self::Provider { issuer, subject, email }
    }
}

/// Tells a program that there is no account yet, with a ticket to make one.
///
/// # Errors
/// The store's.
pub(crate) async fn no_account(app: &App, newcomer: &Newcomer) -> Result<ApiError, ApiError> {
    let ticket = sign_in::begin(app, Purpose::SignUp, None, newcomer, 1, PATIENCE).await?;
    let mut problem = Problem::new(ErrorCode::NoAccount).detail("Sign up with the ticket.");
    problem.ticket = Some(ticket);
    Ok(problem.into())
}

/// Who has this ticket. It is used up by the account that is made with it.
///
/// # Errors
/// `no_longer_valid`.
pub(crate) async fn of_ticket(app: &App, ticket: &Token) -> Result<Newcomer, ApiError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    let pending = app.store.pending(secret_hash, Purpose::SignUp, clock::now_ms()).await?;
    sign_in::body(&pending.ok_or_else(sign_in::no_longer_valid)?.body)
}

/// Uses a ticket up.
///
/// # Errors
/// The store's.
pub(crate) async fn use_up(app: &App, ticket: &Token) -> Result<(), ApiError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    app.store.take_pending(secret_hash, Purpose::SignUp, clock::now_ms()).await?;
    Ok(())
}
