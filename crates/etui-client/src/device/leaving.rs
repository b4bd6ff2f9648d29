//! Leaving: this folder stops being a device, and nothing that was said to be saved goes with it.

use super::Device;
use crate::{ClientError, secure_storage::forget_in_keyring};

impl Device {
    /// Ends the session, where the server can be reached, and takes the account off this folder. From its beginning
    /// nothing more is saved here: what was saved before has been sent, or is given up by `force`.
    ///
    /// # Errors
    /// [`ClientError::Unsent`] unless `force`: the device goes on then. [`ClientError::Leaving`]; [`ClientError::File`].
    pub async fn log_out(&self, force: bool) -> Result<(), ClientError> {
        let leaving = Leaving::begin(self)?;
        leaving.refuse_if_unsent(force)?;
        // Leaving must also work without the server.
        let _ = tokio::time::timeout(self.api.patience().leaving, self.api.sign_out()).await;
        leaving.refuse_if_unsent(force)?;
        self.home.remove_left_branches()?;
        leaving.finish()
    }

    /// Takes the account off this folder and out of the keyring.
    pub(crate) fn leave_folder(&self) -> Result<(), ClientError> {
        // The last pin would come after the removal.
        self.inner.borrow_mut().pins = None;
        let file = self.file.borrow();
        if file.uses_keyring() {
            forget_in_keyring(file.device_id);
        }
        self.home.remove_device()
    }
}

/// While there is one, the device takes no step: not an edit, nor an exchange that is still going on. Dropped before it
/// is finished, the device goes on.
struct Leaving<'a> {
    device: &'a Device,
    is_removing: bool,
}

impl<'a> Leaving<'a> {
    fn begin(device: &'a Device) -> Result<Self, ClientError> {
        let mut inner = device.inner.borrow_mut();
        if inner.is_leaving {
            return Err(ClientError::Leaving);
        }
        inner.is_leaving = true;
        Ok(Self { device, is_removing: false })
    }

    fn refuse_if_unsent(&self, force: bool) -> Result<(), ClientError> {
        let unsent = self.device.inner.borrow().engine.unsent();
        if unsent > 0 && !force { Err(ClientError::Unsent(unsent)) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), ClientError> {
        // Half removed, the store is no place to save anything any more.
        self.is_removing = true;
        self.device.leave_folder()
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if !self.is_removing {
            self.device.inner.borrow_mut().is_leaving = false;
        }
    }
}
