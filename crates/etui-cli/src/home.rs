//! Where a device lives: one folder, the socket of its agent, the lock of its agent.

use std::path::{Path, PathBuf};

use etui_chain::Digest;

use crate::{agent::platform, failure::Failure, failure::Kind};

/// The folder of one device: `ETUI_HOME`, else the usual place for a program's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HomeFolder(PathBuf);

/// Why there is no folder or no place for its socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// Neither `ETUI_HOME` nor `HOME` says where.
    #[error("finding the device's folder: neither ETUI_HOME nor HOME is set")]
    Nowhere,
    /// The current folder, to which a relative `ETUI_HOME` refers, is gone.
    #[error("finding the device's folder")]
    CurrentFolder(#[source] std::io::Error),
    /// The operating system takes no socket path of that length and there is no shorter place.
    #[error(
        "finding a place for the agent's socket: the path of the device's folder is longer than {limit} bytes"
    )]
    PathTooLong {
        /// The most bytes a socket path may have.
        limit: usize,
    },
}

impl HomeFolder {
    pub(crate) fn from_environment() -> Result<Self, HomeError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = variable("ETUI_HOME")
            .or_else(|| variable("XDG_DATA_HOME").map(|data| data.join("etui")))
            .or_else(|| variable("HOME").map(|home| home.join(DATA_FOLDER).join("etui")))
            .ok_or(HomeError::Nowhere)?;
        // The agent leaves the current folder, so a relative path must be settled here.
        std::path::absolute(path).map(Self).map_err(HomeError::CurrentFolder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The file that the one agent of this folder keeps locked.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.0.join("agent.lock")
    }

    /// The agent's socket: in the folder, or in the runtime folder where that path would be too long for a socket.
    pub(crate) fn socket_path(&self) -> Result<PathBuf, HomeError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
        self.socket_path_with(runtime.map(PathBuf::from).as_deref())
    }

    fn socket_path_with(&self, runtime: Option<&Path>) -> Result<PathBuf, HomeError> {
        let fits = |path: &PathBuf| path.as_os_str().len() <= platform::MAX_SOCKET_PATH_BYTES;
        let beside = self.0.join("agent.sock");
        if fits(&beside) {
            return Ok(beside);
        }
        let digest = Digest::of(&[self.0.as_os_str().as_encoded_bytes()]).to_string();
        runtime
            .map(|runtime| runtime.join(format!("etui-{}.sock", &digest[..16])))
            .filter(fits)
            .ok_or(HomeError::PathTooLong { limit: platform::MAX_SOCKET_PATH_BYTES })
    }

    #[cfg(test)]
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let failure = Self::of(Kind::Failed, &error);
        match error {
            HomeError::Nowhere => failure.with_hint("set ETUI_HOME to a folder for this device"),
            HomeError::CurrentFolder(_) => failure.with_hint("give ETUI_HOME as an absolute path"),
            HomeError::PathTooLong { .. } => {
                failure.with_hint("choose a shorter ETUI_HOME, or set XDG_RUNTIME_DIR")
            }
        }
    }
}

#[cfg(target_os = "macos")]
const DATA_FOLDER: &str = "Library/Application Support";
#[cfg(not(target_os = "macos"))]
const DATA_FOLDER: &str = ".local/share";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_in_the_folder_where_its_path_fits() {
        let home = HomeFolder::at("/home/ada/.local/share/etui");
        assert_eq!(home.socket_path_with(None).unwrap(), Path::new("/home/ada/.local/share/etui/agent.sock"));
    }

    #[test]
    fn a_long_folder_gets_a_socket_of_its_own_in_the_runtime_folder() {
        let (one, two) = (
            HomeFolder::at(format!("/{}", "a".repeat(120))),
            HomeFolder::at(format!("/{}", "b".repeat(120))),
        );
        let runtime = Path::new("/run/user/1000");
        let socket = one.socket_path_with(Some(runtime)).unwrap();
        assert!(socket.starts_with(runtime));
        assert_ne!(socket, two.socket_path_with(Some(runtime)).unwrap());
        assert!(matches!(one.socket_path_with(None), Err(HomeError::PathTooLong { .. })));
        assert!(matches!(one.socket_path_with(Some(one.path())), Err(HomeError::PathTooLong { .. })));
    }
}
