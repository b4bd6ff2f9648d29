//! What a browser has let a program have: a session of an account, or the chance to make one.

use etui_api::session::{Method, Session};
use etui_chain::DeviceId;
use etui_store::Claim;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    newcomer::{self, Newcomer},
    problem::ApiError,
    sign_in::{self, Factors, Proven},
};

/// Who let it in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetIn {
    /// The holder of an account.
    Holder {
        claim: Claim,
        /// In the browser.
        shown: Factors,
    },
    /// Somebody who has none yet.
    Newcomer(Newcomer),
}

impl LetIn {
    /// Whose account it is.
    pub(crate) const fn claim(&self) -> Option<Claim> {
        match self {
            Self::Holder { claim, .. } => Some(*claim),
            Self::Newcomer(_) => None,
        }
    }

    /// The session, once.
    ///
    /// # Errors
    /// `no_account` with a ticket; those of [`sign_in::complete`].
    pub(crate) async fn complete(self, app: &App, device_id: DeviceId) -> Result<Session, ApiError> {
        match self {
            Self::Holder { claim, shown } => {
                let proven = Proven { claim, device_id, method: Method::Browser, shown };
                sign_in::complete(app, proven).await
            }
            Self::Newcomer(newcomer) => Err(newcomer::no_account(app, &newcomer).await?),
        }
    }
}
