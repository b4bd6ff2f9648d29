//! The address that names the account on its server. Each device keeps it, since it salts the login proof.

use etui_api::{session::Token, ways::NewEmail};
use etui_crypto::LoginPassword;

use super::Device;
use crate::{
    ClientError,
    account::{address::email_address, login_proof},
    store::key,
};

/// What became of another address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailChange {
    /// It names the account.
    Changed,
    /// A letter to it brings what confirms it.
    Unconfirmed {
        /// Seconds for which that counts.
        expires_in_s: u32,
    },
}

impl Device {
    /// Has another address name the account. `password`: the login password, where the account has one. It must be one that
    /// the server has just accepted ([`Self::sign_in_afresh`]): with another one the new login proof would be another
    /// password's.
    ///
    /// # Errors
    /// [`ClientError::Email`]; [`ClientError::FreshSignInNeeded`]; [`ClientError::LoginPasswordNeeded`] without a password where
    /// there is one; the server's.
    pub async fn change_email(
        &self,
        new: &str,
        password: Option<&LoginPassword>,
    ) -> Result<EmailChange, ClientError> {
        let email = email_address(new)?;
        let login_proof = match (self.api.ways().await?.login_password, password) {
            (true, None) => return Err(ClientError::LoginPasswordNeeded),
            (true, Some(password)) => Some(login_proof(&email, password)?),
            (false, _) => None,
        };
        let asked = NewEmail { email, login_proof };
        match self.api.change_email(&asked).await? {
            None => self.save_email(&asked.email).map(|()| EmailChange::Changed),
            Some(letter) => {
                let store = &self.inner.borrow().store;
                store.set_value(key::UNCONFIRMED_EMAIL, Some(asked.email.as_bytes()))?;
                Ok(EmailChange::Unconfirmed { expires_in_s: letter.expires_in_s })
            }
        }
    }

    /// Confirms the address that waits on this device with what the letter to it brought; the address.
    ///
    /// # Errors
    /// [`ClientError::NoUnconfirmedEmail`]; the server's, for a wrong or old line, or an address that somebody else has by now.
    pub async fn confirm_email(&self, letter_line: &str) -> Result<String, ClientError> {
        let waiting = self.inner.borrow().store.value(key::UNCONFIRMED_EMAIL)?;
        let waiting = waiting.ok_or(ClientError::NoUnconfirmedEmail)?;
        let email = String::from_utf8_lossy(&waiting).into_owned();
        self.api.confirm_email(Token::new(letter_line.trim().to_owned())).await?;
        self.save_email(&email)?;
        Ok(email)
    }

    /// From now on this device signs in with that address.
    pub(crate) fn save_email(&self, email: &str) -> Result<(), ClientError> {
        let store = &self.inner.borrow().store;
        store.set_value(key::EMAIL, Some(email.as_bytes()))?;
        store.set_value(key::UNCONFIRMED_EMAIL, None)
    }
}
