//! Cargo's further commands, each of one exact version, installed once into the cache folder.

use std::{path::PathBuf, process::Command};

use crate::process::{cache_folder, cargo, output, repository, run, say};

/// A command that comes as a crate.
pub(crate) struct Tool {
    /// The crate, which is the program's name too.
    pub(crate) name: &'static str,
    /// The word after `cargo`.
    pub(crate) subcommand: &'static str,
    /// The only version that will do, so that every machine checks the same.
    pub(crate) version: &'static str,
    /// Build quickly rather than well: for what runs for seconds.
    pub(crate) unoptimised: bool,
}

impl Tool {
    /// The command, ready for arguments: as found on the search path, else from the cache, else newly installed.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let cached = tools_folder().join("bin").join(self.name);
        let known = [PathBuf::from(self.name), cached.clone()];
        let program = match known.into_iter().find(|program| self.is_right(program)) {
            Some(program) => program,
            None => self.install().map(|()| cached)?,
        };
        let mut command = Command::new(program);
        command.arg(self.subcommand).current_dir(repository());
        Ok(command)
    }

    fn is_right(&self, program: &PathBuf) -> bool {
        output(Command::new(program).args([self.subcommand, "--version"]))
            .is_ok_and(|version| version.split_whitespace().nth(1) == Some(self.version))
    }

    fn install(&self) -> anyhow::Result<()> {
        say(&format!("Installing {} {} (once, takes minutes)", self.name, self.version))?;
        let mut command = cargo("install --quiet --locked --root");
        command.arg(tools_folder()).arg(format!("{}@{}", self.name, self.version));
        if self.unoptimised {
            command.arg("--debug");
        }
        // Its artefacts have nothing to do with ours.
        run(command.env_remove("CARGO_TARGET_DIR"))
    }
}

fn tools_folder() -> PathBuf {
    cache_folder().join("tools")
}
