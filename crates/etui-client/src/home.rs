//! A device's folder: the local store and a small plain file that leads to it.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use etui_chain::{AccountId, DeviceId, KdfDescriptor, KeysetId};
use serde::{Deserialize, Serialize};

use crate::ClientError;

/// How the names of folders begin into which a device was put aside.
const SET_ASIDE: &str = "set-aside-";

/// How the names of backups of left branches begin.
const LEFT_BRANCH: &str = "left-branch-";

/// What belongs to a device in its folder, in the order in which it goes.
const DEVICE_FILES: [&str; 7] = [
    WAITING_FILE,
    "vault.db",
    "vault.db-wal",
    "vault.db-shm",
    "vault.db-journal",
    "device.partial",
    "device.json",
];

/// Holds the id of a device that waits to be approved.
const WAITING_FILE: &str = "device.waiting";

/// The folder in which one device keeps one account.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// The plain facts beside the local store. No secret, and nothing that is believed before it has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFile {
    /// Where the server is.
    pub server: String,
    /// The account.
    pub account_id: AccountId,
    /// This device.
    pub device_id: DeviceId,
    /// Where the key of the local store is.
    pub(crate) store_key: StoreKeyPlace,
}

/// Where the key of the local store is; decided when the device is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKeyPlace {
    /// In the keyring. What the master password opens lies in the store.
    Keyring,
    /// It follows from the master password.
    MasterPassword {
        /// First the one that opens the store; then, while there is one, the account's newer one.
        ways_in: Vec<Unlock>,
    },
}

impl DeviceFile {
    /// Whether a keyring keeps the key of the local store. Else it follows from the master password.
    pub fn uses_keyring(&self) -> bool {
        self.store_key == StoreKeyPlace::Keyring
    }
}

/// One way in: a keyset as sealed, and how its key is derived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unlock {
    pub(crate) kdf: KdfDescriptor,
    pub(crate) keyset_id: KeysetId,
    pub(crate) version: u64,
    #[serde(with = "base64_bytes")]
    pub(crate) record: Vec<u8>,
}

impl Home {
    /// The folder at that path; it need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the folder says of itself; `None` if no account is set up in it.
    ///
    /// # Errors
    /// [`ClientError::File`] or [`ClientError::Damaged`].
    pub fn device(&self) -> Result<Option<DeviceFile>, ClientError> {
        let path = self.device_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(ClientError::File { doing: format!("reading {}", path.display()), source });
            }
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| ClientError::Damaged(format!("{} cannot be read: {error}", path.display())))
    }

    pub(crate) fn write_device(&self, file: &DeviceFile) -> Result<(), ClientError> {
        let bytes = serde_json::to_vec_pretty(file).expect("plain facts always encode");
        write_durably(&self.device_path(), &bytes)
    }

    /// The id under which this folder waits to be approved; `None` if it does not.
    ///
    /// # Errors
    /// [`ClientError::File`] or [`ClientError::Damaged`].
    pub(crate) fn waiting_device(&self) -> Result<Option<DeviceId>, ClientError> {
        let path = self.waiting_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(ClientError::File { doing: format!("reading {}", path.display()), source });
            }
        };
        let damaged = |_| ClientError::Damaged(format!("{} holds no id of a device", path.display()));
        text.trim().parse().map(Some).map_err(damaged)
    }

    /// Keeps the id under which another device will approve this one: the next try is by the same device.
    pub(crate) fn wait_as(&self, device_id: DeviceId) -> Result<(), ClientError> {
        self.create()?;
        write_durably(&self.waiting_path(), device_id.to_string().as_bytes())
    }

    fn waiting_path(&self) -> PathBuf {
        self.0.join(WAITING_FILE)
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.0.join("vault.db")
    }

    /// Makes the folder, for its owner alone.
    pub(crate) fn create(&self) -> Result<(), ClientError> {
        let created = fs::create_dir_all(&self.0).and_then(|()| for_owner_alone(&self.0));
        created.map_err(|source| ClientError::File { doing: format!("making {}", self.0.display()), source })
    }

    /// Moves what is there of an account into a folder of its own, unread. The plain file goes last, so that what was
    /// begun can be repeated.
    pub(crate) fn set_aside(&self, now_ms: u64) -> Result<(), ClientError> {
        if !DEVICE_FILES.iter().any(|name| self.0.join(name).exists()) {
            return Ok(());
        }
        let aside = self.0.join(format!("{SET_ASIDE}{now_ms}"));
        let moved = || -> std::io::Result<()> {
            fs::create_dir_all(&aside)?;
            for name in DEVICE_FILES {
                match fs::rename(self.0.join(name), aside.join(name)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            File::open(&aside)?.sync_all()?;
            File::open(&self.0)?.sync_all()
        };
        moved()
            .map_err(|source| ClientError::File { doing: format!("moving to {}", aside.display()), source })
    }

    /// Removes the account from the folder. The plain file goes last, so that a half-done removal can be repeated.
    pub(crate) fn remove_device(&self) -> Result<(), ClientError> {
        for name in DEVICE_FILES {
            let path = self.0.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ClientError::File { doing: format!("removing {}", path.display()), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the backup of a branch goes that is left for another.
    pub(crate) fn left_branch_path(&self, head_code: &str) -> PathBuf {
        self.0.join(format!("{LEFT_BRANCH}{head_code}.etui"))
    }

    /// Removes the backups of branches that were left: with the account they go, too.
    pub(crate) fn remove_left_branches(&self) -> Result<(), ClientError> {
        for path in self.items_named(LEFT_BRANCH)? {
            fs::remove_file(&path).map_err(|source| {
                let doing = format!("removing {}", path.display());
                ClientError::File { doing, source }
            })?;
        }
        Ok(())
    }

    /// The folders into which devices were put aside, oldest first. Nothing removes them but a person.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn set_aside_folders(&self) -> Result<Vec<PathBuf>, ClientError> {
        self.items_named(SET_ASIDE)
    }

    /// What lies in the folder under names that begin so, in their order.
    fn items_named(&self, beginning: &str) -> Result<Vec<PathBuf>, ClientError> {
        let found = || -> std::io::Result<Vec<PathBuf>> {
            let items = fs::read_dir(&self.0)?.collect::<Result<Vec<_>, _>>()?;
            let named = |item: &fs::DirEntry| item.file_name().to_string_lossy().starts_with(beginning);
            let mut paths: Vec<PathBuf> =
                items.iter().filter(|item| named(item)).map(fs::DirEntry::path).collect();
            paths.sort_unstable();
            Ok(paths)
        };
        found().map_err(|source| ClientError::File {
            doing: format!("looking into {}", self.0.display()),
            source,
        })
    }

    fn device_path(&self) -> PathBuf {
        self.0.join("device.json")
    }
}

/// Writes a file so that it is whole or not there: a temporary file, flushed to the disk, renamed, folder flushed. What
/// could not be finished is removed: on a full disk it would take the last room.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), ClientError> {
    let temporary = path.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder_of(path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        ClientError::File { doing: format!("writing {}", path.display()), source }
    })
}

/// Makes a new name durable.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(unix)]
fn for_owner_alone(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn for_owner_alone(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        URL_SAFE_NO_PAD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a kill at any moment leaves of a store: its log, and the journal of encrypting it anew.
    #[test]
    fn nothing_of_a_device_stays_when_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        let names = || {
            let items = fs::read_dir(folder.path()).unwrap();
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let make_all =
            || DEVICE_FILES.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        make_all();
        assert!(folder.path().join("vault.db-journal").exists());
        home.remove_device().unwrap();
        assert!(names().is_empty());

        make_all();
        home.set_aside(7).unwrap();
        assert_eq!(names(), ["set-aside-7"]);
        let aside = home.set_aside_folders().unwrap();
        assert_eq!(aside, [folder.path().join("set-aside-7")]);
        assert!(DEVICE_FILES.iter().all(|name| aside[0].join(name).exists()));
    }
}
