//! Programs from the Python package index, each of one exact version in an environment of its own in the cache folder.

use std::{fs, path::PathBuf, process::Command};

use etui_services::system_packages;

use crate::process::{cache_folder, run, say};

/// A program that comes as a Python package of the same name.
pub(crate) struct PythonTool {
    /// The package, which is the program's name too.
    pub(crate) name: &'static str,
    /// The only version that will do, so that every machine checks the same.
    pub(crate) version: &'static str,
}

impl PythonTool {
    /// The program, ready for arguments; installed if it is not there yet.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let folder = self.folder();
        let complete = folder.join("complete");
        if !complete.is_file() {
            self.install()?;
            fs::write(complete, [])?;
        }
        Ok(Command::new(folder.join("bin").join(self.name)))
    }

    fn install(&self) -> anyhow::Result<()> {
        system_packages::ensure_for_python()?;
        say(&format!("Installing {} {} (once)", self.name, self.version))?;
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(self.folder()))?;
        let mut pip = Command::new(self.folder().join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg(format!("{}=={}", self.name, self.version)))
    }

    fn folder(&self) -> PathBuf {
        cache_folder().join("python").join(format!("{}-{}", self.name, self.version))
    }
}
