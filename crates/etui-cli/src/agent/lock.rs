//! One agent a folder: whoever holds the lock file may open the store.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

/// The held lock; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

/// Why the folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another agent has it.
    #[error("starting the agent: another one is in charge of this folder")]
    Held,
    /// The file cannot be made or locked.
    #[error("starting the agent: locking its folder")]
    Io(#[source] io::Error),
}

impl FolderLock {
    /// Takes the lock, without waiting.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.lock");
        let held = FolderLock::take(&path).unwrap();
        assert!(matches!(FolderLock::take(&path), Err(LockError::Held)));
        drop(held);
        FolderLock::take(&path).unwrap();
    }
}
