//! Guessing is slow, from wherever and at whatever it is done.
//!
//! Every try at a secret begins with an [`Attempt`], which counts as a failure until it succeeds. `docs/design/0009-limits.md`
//! says what is counted and why.

mod keys;
mod policy;
#[cfg(test)]
mod simulation;

use std::net::IpAddr;

use etui_api::email::normalize_email;
use etui_chain::{AccountId, DeviceId};
use etui_store::{Charged, StoreError};

use crate::{app::App, clock, problem::ApiError};

pub(crate) use keys::Keys;

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A login password, for an address that may or may not name an account.
    Address(&'a str),
    /// A letter to an address. It is counted as a login password is: one counter is enough to keep a mailbox empty, and the owner
    /// of an account can see from one wait how long the other is.
    Letter(&'a str),
    /// A second factor of an account.
    SecondFactor(AccountId),
    /// A code or secret that says itself what it belongs to.
    Code,
    /// An account that is made.
    SignUp,
}

impl Target<'_> {
    /// For metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Address(_) => "login_password",
            Self::Letter(_) => "letter",
            Self::SecondFactor(_) => "second_factor",
            Self::Code => "code",
            Self::SignUp => "sign_up",
        }
    }
}

/// Looks at a secret, or does whatever else is limited, within a try that counts as a failure unless `look` succeeds. Nothing is
/// looked at before the try is charged.
///
/// # Errors
/// As [`attempt`], and those of `look`.
pub(crate) async fn within_try<T>(
    app: &App,
    client: IpAddr,
    target: Target<'_>,
    device: Option<DeviceId>,
    look: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let attempt = attempt(app, client, target, device).await?;
    match look.await {
        Ok(found) => {
            attempt.succeeded(app).await?;
            Ok(found)
        }
        Err(error) => {
            if error.is_busy() {
                attempt.not_looked_at(app).await?;
            }
            Err(error)
        }
    }
}

/// A try that counts as a failure until [`Self::succeeded`].
pub(crate) struct Attempt {
    charged: Charged,
    target: &'static str,
}

/// Begins a try. A device that has signed in to the account before is not slowed down by what strangers try.
///
/// # Errors
/// `too_many_requests` with the time to wait; `unavailable` and `storage_full`, since what cannot be counted is not looked at.
pub(crate) async fn attempt(
    app: &App,
    client: IpAddr,
    target: Target<'_>,
    device: Option<DeviceId>,
) -> Result<Attempt, ApiError> {
    let known = known(app, target, device).await?;
    let tried = policy::counts(&app.tokens.keys(clock::now_s()).limits, client, target, known);
    let target = target.name();
    let charged = app.store.charge_try(&tried, clock::now_ms()).await?;
    app.metrics.attempt(target, if charged.is_ok() { "begun" } else { "slowed" });
    match charged {
        Ok(charged) => Ok(Attempt { charged, target }),
        Err(wait) => Err(ApiError::too_many(wait.wait_ms)),
    }
}

impl Attempt {
    /// A try that was kept until now.
    pub(crate) const fn kept(charged: Charged, target: Target<'_>) -> Self {
        Self { charged, target: target.name() }
    }

    /// To be kept with what was begun: it turns out right in another request, or not at all.
    pub(crate) fn keep(self) -> Charged {
        self.charged
    }

    /// Takes it back: it was right.
    pub(crate) async fn succeeded(self, app: &App) -> Result<(), ApiError> {
        self.give_back(app, "succeeded").await
    }

    /// Takes it back: the server had no time to look.
    pub(crate) async fn not_looked_at(self, app: &App) -> Result<(), ApiError> {
        self.give_back(app, "not_looked_at").await
    }

    async fn give_back(self, app: &App, outcome: &'static str) -> Result<(), ApiError> {
        app.store.give_try_back(&self.charged, clock::now_ms()).await?;
        app.metrics.attempt(self.target, outcome);
        Ok(())
    }
}

/// The device, if it has signed in to the account before.
async fn known(
    app: &App,
    target: Target<'_>,
    device: Option<DeviceId>,
) -> Result<Option<DeviceId>, StoreError> {
    let Some(device_id) = device else { return Ok(None) };
    let is_known = match target {
        Target::Address(address) | Target::Letter(address) => match normalize_email(address) {
            Some(email) => app.store.knows_device_of_address(&email, device_id).await?,
            None => false,
        },
        Target::SecondFactor(account_id) => app.store.knows_device(account_id, device_id).await?,
        Target::Code | Target::SignUp => false,
    };
    Ok(is_known.then_some(device_id))
}
