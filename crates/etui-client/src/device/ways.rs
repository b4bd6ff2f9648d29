//! The ways to sign in to the account. Every change of them asks for somebody who has signed in a moment ago, and signs all
//! other devices out.

use etui_api::{
    browser::HandOver,
    session::Token,
    ways::{RecoveryCodes, TotpSetup, Ways},
};
use etui_crypto::{KeysetKey, LoginPassword, MasterPassword, check_login_choice, check_password_reuse};

use super::Device;
use crate::{ClientError, SecondFactor, Way, account::login_proof, unlock};

impl Device {
    /// Signs in anew on this device, for what only somebody who is present may do.
    ///
    /// # Errors
    /// [`ClientError::SignInFailed`], [`ClientError::SecondFactorNeeded`], [`ClientError::NotLetIn`], [`ClientError::NoLink`],
    /// [`ClientError::SignedInElsewhere`]; then the session is the one that was there.
    pub async fn sign_in_afresh(
        &self,
        way: &Way,
        second_factor: Option<&SecondFactor>,
    ) -> Result<(), ClientError> {
        self.begin_session(way, &self.email(), second_factor).await
    }

    /// Every way to sign in.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn ways(&self) -> Result<Ways, ClientError> {
        self.api.ways().await
    }

    /// Replaces the login password, or gives the account one. The master password is asked for because the two must not be
    /// alike; held against another one, the check would say nothing.
    ///
    /// # Errors
    /// [`ClientError::WrongMasterPassword`], [`ClientError::Choice`], `password_reuse`, [`ClientError::FreshSignInNeeded`].
    pub async fn change_login_password(
        &self,
        master: &MasterPassword,
        new: &LoginPassword,
    ) -> Result<(), ClientError> {
        self.require_master_password(master)?;
        check_login_choice(new)
            .map_err(|fault| ClientError::Choice { which: "the login password", fault })?;
        check_password_reuse(new, master)?;
        self.api.set_login_password(login_proof(&self.email(), new)?).await
    }

    /// Takes the login password away.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; the server's, if it is the last way.
    pub async fn remove_login_password(&self) -> Result<(), ClientError> {
        self.api.remove_login_password().await
    }

    /// Whether links by mail sign in.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; the server's, if it is the last way.
    pub async fn switch_links(&self, on: bool) -> Result<(), ClientError> {
        self.api.switch_links(on).await
    }

    /// Whether a device that signs in for the first time waits for the approval of another.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`].
    pub async fn switch_device_approval(&self, on: bool) -> Result<(), ClientError> {
        self.api.switch_device_approval(on).await
    }

    /// Begins to set up a second factor. Nothing changes until it is confirmed.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`].
    pub async fn begin_totp(&self) -> Result<TotpSetup, ClientError> {
        self.api.begin_totp().await
    }

    /// Has the account ask for a second factor from now on; codes for when it is lost.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; the server's, for a wrong code.
    pub async fn confirm_totp(&self, ticket: &str, code: &str) -> Result<RecoveryCodes, ClientError> {
        self.api.confirm_totp(Token::new(ticket.to_owned()), Token::new(code.to_owned())).await
    }

    /// Has the account ask for no second factor any more.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; [`ClientError::NoSecondFactor`].
    pub async fn remove_totp(&self) -> Result<(), ClientError> {
        self.api.remove_totp().await.map_err(|error| error.if_not_found(ClientError::NoSecondFactor))
    }

    /// New codes for when the second factor is lost; those from before are dead.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; [`ClientError::NoSecondFactor`].
    pub async fn replace_recovery_codes(&self) -> Result<RecoveryCodes, ClientError> {
        let codes = self.api.replace_recovery_codes().await;
        codes.map_err(|error| error.if_not_found(ClientError::NoSecondFactor))
    }

    /// Calls a passkey something else.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; the server's, if there is none such.
    pub async fn rename_passkey(&self, id: &str, name: &str) -> Result<(), ClientError> {
        self.api.rename_passkey(id, name).await
    }

    /// Removes a passkey.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`]; the server's, if there is none such, or it is the last way.
    pub async fn remove_passkey(&self, id: &str) -> Result<(), ClientError> {
        self.api.remove_passkey(id).await
    }

    /// An address of the server that opens the account in a browser, once and soon: passkeys are made there. It holds a
    /// secret.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`].
    pub async fn hand_over(&self) -> Result<HandOver, ClientError> {
        self.api.hand_over().await
    }

    /// Opens the account's keyset, for real.
    fn require_master_password(&self, password: &MasterPassword) -> Result<(), ClientError> {
        let (way_in, account_id) = {
            let inner = self.inner.borrow();
            (unlock::master_way_in(inner.engine.state(), &inner.store)?, inner.engine.account_id())
        };
        let master_key = unlock::derive(password, way_in.kdf, account_id)?;
        unlock::open(&KeysetKey::from_master(&master_key), &way_in).map(drop)
    }
}
