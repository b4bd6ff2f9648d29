//! Takes pins to secure storage, behind the work: a keyring that is slow, or asks a person, holds up nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use super::Pins;
use crate::secure_storage::{Item, SecureStorage, SecureStorageError};

/// How long locking waits for the last pin. The database is then ahead of it, which is accepted.
const LAST_PIN_LIMIT: Duration = Duration::from_secs(5);

/// Keeps the pins in secure storage up with the store. Dropping it waits for the last one.
pub(crate) struct PinKeeper {
    last: Pins,
    pins: Option<Sender<Pins>>,
    ended: Receiver<()>,
    trouble: Arc<Mutex<Option<SecureStorageError>>>,
}

impl PinKeeper {
    /// Begins with pins that may not be kept yet.
    pub(crate) fn start(storage: impl SecureStorage, now: Pins) -> Self {
        let (pins, waiting) = channel();
        let (end, ended) = channel();
        let trouble = Arc::default();
        let heard = Arc::clone(&trouble);
        std::thread::spawn(move || {
            write_all(&storage, &waiting, &heard);
            drop(end);
        });
        let keeper = Self { last: now.clone(), pins: Some(pins), ended, trouble };
        keeper.send(now);
        keeper
    }

    /// Has secure storage follow. Called only when the database has made it durable.
    pub(crate) fn follow(&mut self, pins: Pins) {
        if pins != self.last {
            self.last = pins.clone();
            self.send(pins);
        }
    }

    /// Why secure storage could not follow, if it could not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(ToString::to_string)
    }

    /// Ends it; on return it writes no more.
    ///
    /// # Errors
    /// [`SecureStorageError::NoAnswer`] if secure storage is still busy with a pin.
    pub(crate) fn end(mut self) -> Result<(), SecureStorageError> {
        if self.has_ended_within(LAST_PIN_LIMIT) { Ok(()) } else { Err(SecureStorageError::NoAnswer) }
    }

    fn has_ended_within(&mut self, limit: Duration) -> bool {
        self.pins = None;
        self.ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
    }

    fn send(&self, pins: Pins) {
        if let Some(sender) = &self.pins {
            // It has ended if it had trouble, and said so.
            let _ = sender.send(pins);
        }
    }
}

impl Drop for PinKeeper {
    fn drop(&mut self) {
        // Asked to end before, it has been waited for.
        if self.pins.is_some() {
            self.has_ended_within(LAST_PIN_LIMIT);
        }
    }
}

/// Writes the newest that waits, until nobody sends any more. It ends with the first trouble, since a keyring that was
/// locked meanwhile would ask the person again with every change.
fn write_all(
    storage: &impl SecureStorage,
    waiting: &Receiver<Pins>,
    trouble: &Mutex<Option<SecureStorageError>>,
) {
    while let Ok(pins) = waiting.recv() {
        let newest = waiting.try_iter().last().unwrap_or(pins);
        if let Err(error) = storage.write(Item::Pins, &newest.to_bytes()) {
            *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure_storage::memory::Memory;

    fn pins(state_version: u64) -> Pins {
        Pins { state_version, state_hash: etui_chain::Digest::new([1; 32]), heads: [].into() }
    }

    #[test]
    fn the_last_pin_is_kept_when_the_keeper_is_dropped() {
        let storage = Memory::default();
        let mut keeper = PinKeeper::start(storage.clone(), pins(1));
        for version in 2..=50 {
            keeper.follow(pins(version));
        }
        assert_eq!(keeper.trouble(), None);
        drop(keeper);
        let kept = storage.pins.lock().unwrap();
        assert_eq!(kept.last(), Some(&pins(50).to_bytes()));
        assert!(kept.is_sorted(), "never backwards");
    }

    #[test]
    fn trouble_is_remembered_and_the_keyring_left_alone() {
        let storage = Memory { fails: true, ..Memory::default() };
        let mut keeper = PinKeeper::start(storage, pins(1));
        // Its end says that the first attempt is over.
        assert!(keeper.ended.recv().is_err());
        assert_eq!(keeper.trouble().as_deref(), Some("the keyring does not give back what it was given"));
        keeper.follow(pins(2));
    }
}
