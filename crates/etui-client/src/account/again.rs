//! Signing in again on a device that is set up. The local copy stays what it is.

use etui_api::email::normalize_email;
use etui_crypto::{KeysetKey, MasterPassword};

use super::{LogIn, address::ServerAddress, keeps};
use crate::{ClientError, Device, Home, api::Api, home::Unlock, unlock};

impl Device {
    /// Signs in again on this device, which stays unlocked whatever comes of it.
    ///
    /// # Errors
    /// [`ClientError::OtherAccount`], [`ClientError::WrongMasterPassword`], [`ClientError::SignInFailed`]; then the
    /// session is the one that was there.
    pub async fn log_in_again(&self, log_in: &LogIn) -> Result<(), ClientError> {
        log_in.way.check_reuse(&log_in.master_password)?;
        if !ServerAddress::parse(&log_in.server)?.is(self.server()) {
            return Err(self.other_account());
        }
        self.unlock_again(&log_in.master_password)?;
        self.sign_in_again(log_in).await?;
        self.finish_signing_in(log_in).await
    }

    /// Checks a master password on this device, which stays unlocked whatever comes of it. Where the store still opens
    /// with the one before, it opens with this one from now on, if this is the account's.
    ///
    /// # Errors
    /// [`ClientError::WrongMasterPassword`] for one that opens neither the account nor the store; [`ClientError::Store`].
    pub fn unlock_again(&self, password: &MasterPassword) -> Result<(), ClientError> {
        let (listed, account_id) = {
            let inner = self.inner.borrow();
            (unlock::master_way_in(inner.engine.state(), &inner.store)?, inner.engine.account_id())
        };
        let opens = |way_in: &Unlock| {
            let master_key = unlock::derive(password, way_in.kdf, account_id)?;
            unlock::open(&KeysetKey::from_master(&master_key), way_in).map(|_| master_key)
        };
        let used = self.opens_store().filter(|used| *used != listed);
        match (opens(&listed), used) {
            (Ok(master_key), Some(_)) => self.adopt(&master_key),
            (Err(ClientError::WrongMasterPassword), Some(used)) => opens(&used).map(drop),
            (result, _) => result.map(drop),
        }
    }

    /// Begins a session at this device's server. The account may have another address by now: which account it is, its id says.
    async fn sign_in_again(&self, log_in: &LogIn) -> Result<(), ClientError> {
        let signed_in = self.begin_session(&log_in.way, &log_in.email, log_in.second_factor.as_ref()).await;
        if self.is_of(&log_in.email) {
            return signed_in;
        }
        match signed_in {
            Err(ClientError::SignInFailed | ClientError::SignedInElsewhere) => Err(self.other_account()),
            signed_in => signed_in.and_then(|()| self.save_email(&log_in.email)),
        }
    }

    fn is_of(&self, email: &str) -> bool {
        normalize_email(email) == normalize_email(&self.email())
    }

    fn other_account(&self) -> ClientError {
        ClientError::OtherAccount { email: self.email(), server: self.server().to_owned() }
    }

    /// Learns from the server what became of this device, and finishes what was interrupted.
    async fn finish_signing_in(&self, log_in: &LogIn) -> Result<(), ClientError> {
        if self.was_never_listed() {
            return self.list_this_device(&log_in.device_name).await;
        }
        // The session is there: what the exchange failed with is kept for `status`.
        if let Err(error) = self.sync().await
            && keeps(&log_in.keep_account, &error).await
        {
            self.keep_account().await?;
            let _ = self.sync().await;
        }
        Ok(())
    }

    /// Signs in at another address and goes there for good if the account is there, whole.
    async fn move_to(mut self, log_in: &LogIn) -> Result<Self, ClientError> {
        let api = Api::new(&ServerAddress::parse(&log_in.server)?.to_string())?;
        let (account_id, device_id) = {
            let inner = self.inner.borrow();
            (inner.engine.account_id(), inner.engine.device_id())
        };
        api.hold_to(account_id);
        match log_in.way.sign_in(&api, &log_in.email, device_id, log_in.second_factor.as_ref()).await {
            Err(ClientError::SignedInElsewhere) => return Err(self.other_account()),
            signed_in => signed_in?,
        };
        let former = std::mem::replace(&mut self.api, api);
        let followed = if self.was_never_listed() {
            self.list_this_device(&log_in.device_name).await
        } else {
            self.sync().await.map(drop)
        };
        if let Err(error) = followed {
            // The address stays what it was, and with it the session there.
            self.api = former;
            self.save_session()?;
            return Err(error);
        }
        self.save_email(&log_in.email)?;
        self.write_server()?;
        Ok(self)
    }
}

/// Opens the device and signs in again; at another address, if that is where the account is now.
pub(super) async fn log_in_again(home: &Home, log_in: &LogIn) -> Result<Device, ClientError> {
    let device = Device::unlock(home, &log_in.master_password).await?;
    if !ServerAddress::parse(&log_in.server)?.is(device.server()) {
        return device.move_to(log_in).await;
    }
    device.sign_in_again(log_in).await?;
    device.finish_signing_in(log_in).await?;
    Ok(device)
}
