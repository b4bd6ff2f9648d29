//! By what somebody says to the server who they are. None of it unlocks anything.

use etui_api::{ErrorCode, session::Session, session::Token};
use etui_chain::DeviceId;
use etui_crypto::{LoginPassword, MasterPassword, check_password_reuse};
use futures_util::future::LocalBoxFuture;

use crate::{Ask, ClientError, SecondFactor, account::login_proof, api::Api};

mod elsewhere;
mod here;
mod link;

pub use link::Link;

/// One way to sign in.
pub enum Way {
    /// A login password, of which a proof is sent.
    LoginPassword(LoginPassword),
    /// A browser on this computer lets this device in.
    Browser(Guide),
    /// A browser on any computer does, after somebody has typed a code there.
    DeviceCode(Guide),
    /// A link, to an account that there is already.
    Link {
        /// One that whoever runs the server has printed; without it one is sent by mail.
        printed: Option<Link>,
        /// Asks for what the letter brings.
        ask: Ask,
    },
}

/// Tells the person where to go. What it gives ends when there is nobody any more who waits for what comes of it.
pub type Guide = Box<dyn Fn(&Visit) -> LocalBoxFuture<'static, ()>>;

/// Where the person is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The page to open.
    pub url: String,
    /// What to type there.
    pub user_code: Option<String>,
    /// How the page names this device.
    pub device_id: DeviceId,
}

impl Way {
    /// Signs in.
    ///
    /// # Errors
    /// [`ClientError::SignInFailed`], [`ClientError::SecondFactorNeeded`], [`ClientError::NotLetIn`], [`ClientError::NoLink`];
    /// the server's.
    pub(crate) async fn sign_in(
        &self,
        api: &Api,
        email: &str,
        device_id: DeviceId,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        match self {
            Self::LoginPassword(password) => {
                api.sign_in(email, login_proof(email, password)?, device_id, second_factor).await
            }
            Self::Browser(guide) => here::sign_in(api, device_id, second_factor, guide).await,
            Self::DeviceCode(guide) => elsewhere::sign_in(api, device_id, second_factor, guide).await,
            Self::Link { printed, ask } => {
                link::sign_in(api, email, device_id, second_factor, printed.as_ref(), ask).await
            }
        }
    }

    /// Finds out who somebody is that has no account yet: the ticket to make one.
    ///
    /// # Errors
    /// [`ClientError::HasAccount`], [`ClientError::LinkMakesNoAccount`], and as [`Self::sign_in`].
    pub(crate) async fn ticket(&self, api: &Api, device_id: DeviceId) -> Result<Option<Token>, ClientError> {
        match self {
            Self::LoginPassword(_) => return Ok(None),
            Self::Link { .. } => return Err(ClientError::LinkMakesNoAccount),
            Self::Browser(_) | Self::DeviceCode(_) => {}
        }
        match self.sign_in(api, "", device_id, None).await {
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::NoAccount => Ok(problem.ticket),
            Err(error) => Err(error),
            Ok(_) => {
                api.sign_out().await?;
                Err(ClientError::HasAccount)
            }
        }
    }

    /// The login password, if that is the way.
    pub const fn login_password(&self) -> Option<&LoginPassword> {
        match self {
            Self::LoginPassword(password) => Some(password),
            Self::Browser(_) | Self::DeviceCode(_) | Self::Link { .. } => None,
        }
    }

    /// Refuses a login password that tells something of the master password.
    ///
    /// # Errors
    /// `password_reuse`.
    pub(crate) fn check_reuse(&self, master: &MasterPassword) -> Result<(), ClientError> {
        Ok(self.login_password().map_or(Ok(()), |login| check_password_reuse(login, master))?)
    }
}
