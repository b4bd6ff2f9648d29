//! The platform's secure storage: the little that a device keeps outside its folder (`spec/crypto.md`, "Local store").
//!
//! On Linux whatever runs as the same user can read an unlocked keyring, and nothing checks that a person is there. So
//! it holds two things that open no entry: the key of the local store, and where the account stood.

mod keyring;

use std::{sync::mpsc, time::Duration};

use etui_chain::DeviceId;
use etui_crypto::LocalStoreKey;
use zeroize::Zeroizing;

use crate::OsRandom;

pub(crate) use keyring::Keyring;

/// How long a question may take. A keyring that is locked asks the person for its own password, and the person may
/// not be there.
const ANSWER_LIMIT: Duration = Duration::from_mins(2);

/// What a device keeps in secure storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// The key of the local store.
    StoreKey,
    /// Where the account stood, so that an older copy of the folder is noticed.
    Pins,
}

/// Secure storage of one device.
pub(crate) trait SecureStorage: Send + Sync + 'static {
    /// What is kept; `None` if nothing is.
    fn read(&self, item: Item) -> Result<Option<Zeroizing<Vec<u8>>>, SecureStorageError>;

    /// Keeps something in place of what was there.
    fn write(&self, item: Item, secret: &[u8]) -> Result<(), SecureStorageError>;

    /// Forgets something; done too if nothing was kept.
    fn remove(&self, item: Item) -> Result<(), SecureStorageError>;
}

/// Why secure storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SecureStorageError {
    /// There is none, as on a machine without a desktop or over SSH.
    #[error("no keyring can be reached here")]
    Absent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is closed, and was not opened when it asked.
    #[error("the keyring is locked")]
    Locked(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It did not answer in time.
    #[error("the keyring did not answer within {} seconds", ANSWER_LIMIT.as_secs())]
    NoAnswer,
    /// It gave back something else than it was given.
    #[error("the keyring does not give back what it was given")]
    Unreliable,
    /// It failed.
    #[error("the keyring failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Asks in a thread of its own and waits for the answer, but not for ever.
pub(crate) fn within_limit<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, SecureStorageError> + Send + 'static,
) -> Result<T, SecureStorageError> {
    answer_within(ANSWER_LIMIT, ask)
}

/// Whether there is a keyring. It is not asked to open.
///
/// # Errors
/// [`SecureStorageError::Absent`].
pub fn reach_keyring() -> Result<(), SecureStorageError> {
    within_limit(keyring::reach)
}

/// Draws a key for a device's local store and has the keyring keep it. It counts only once the keyring has given it back.
pub(crate) fn store_key_in_keyring(device_id: DeviceId) -> Result<LocalStoreKey, SecureStorageError> {
    let keyring = Keyring::of(device_id);
    within_limit(move || {
        let store_key = LocalStoreKey::generate(&mut OsRandom);
        keyring.write(Item::StoreKey, store_key.expose())?;
        let kept = keyring.read(Item::StoreKey)?;
        if kept.is_some_and(|kept| kept.as_slice() == store_key.expose()) {
            Ok(store_key)
        } else {
            Err(SecureStorageError::Unreliable)
        }
    })
}

/// Takes a device out of the keyring, as far as that goes: a key that was left behind opens nothing that is there.
pub(crate) fn forget_in_keyring(device_id: DeviceId) {
    let keyring = Keyring::of(device_id);
    let _ = within_limit(move || keyring.remove(Item::Pins).and(keyring.remove(Item::StoreKey)));
}

fn answer_within<T: Send + 'static>(
    limit: Duration,
    ask: impl FnOnce() -> Result<T, SecureStorageError> + Send + 'static,
) -> Result<T, SecureStorageError> {
    let (answer, answers) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more after the limit.
        let _ = answer.send(ask());
    });
    answers.recv_timeout(limit).unwrap_or(Err(SecureStorageError::NoAnswer))
}

#[cfg(test)]
pub(crate) mod memory {
    //! Secure storage that a test can look into, break and hold up.

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Memory {
        pub(crate) pins: Arc<Mutex<Vec<Vec<u8>>>>,
        pub(crate) fails: bool,
    }

    impl SecureStorage for Memory {
        fn read(&self, _: Item) -> Result<Option<Zeroizing<Vec<u8>>>, SecureStorageError> {
            Ok(self.pins.lock().unwrap().last().cloned().map(Zeroizing::new))
        }

        fn write(&self, _: Item, secret: &[u8]) -> Result<(), SecureStorageError> {
            if self.fails {
                return Err(SecureStorageError::Unreliable);
            }
            self.pins.lock().unwrap().push(secret.to_vec());
            Ok(())
        }

        fn remove(&self, _: Item) -> Result<(), SecureStorageError> {
            self.pins.lock().unwrap().clear();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_for_a_keyring_that_asks_a_person() {
        let (_never, person) = mpsc::channel::<()>();
        let answer = answer_within(Duration::from_millis(1), move || {
            let _ = person.recv();
            Ok(())
        });
        assert!(matches!(answer, Err(SecureStorageError::NoAnswer)));
        assert!(matches!(answer_within(ANSWER_LIMIT, || Ok(7)), Ok(7)));
    }
}
