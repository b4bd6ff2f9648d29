//! Cargo, and where it puts what it builds. Running other programs is [`etui_services::process`].

use std::{path::PathBuf, process::Command};

use anyhow::Context as _;

pub(crate) use etui_services::process::{cache_folder, output, repository, run, say, succeeds};

/// Where this build puts its binaries: the folder above the one that this very program lies in.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    let target = program.ancestors().nth(2).context("finding the target folder")?;
    Ok(target.to_owned())
}

/// A cargo command in the repository, its words parted by spaces.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(words.split_whitespace()).current_dir(repository());
    command
}
