//! Programs from the Python package index, each of one exact version in an environment of its own in the cache folder.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use crate::{
    process::{cache_folder, run, say},
    system_packages,
};

/// A Python package.
pub struct PythonTool {
    /// The package.
    pub name: &'static str,
    /// The only version that will do, so that every machine checks the same.
    pub version: &'static str,
}

impl PythonTool {
    /// The program of the package's name, ready for arguments; installed if it is not there yet.
    ///
    /// # Errors
    /// It cannot be installed.
    pub fn command(&self) -> anyhow::Result<Command> {
        self.program(self.name)
    }

    /// Any program of its environment.
    ///
    /// # Errors
    /// It cannot be installed.
    pub fn program(&self, name: &str) -> anyhow::Result<Command> {
        let folder = self.folder();
        if !folder.join("complete").is_file() {
            self.install()?;
        }
        Ok(Command::new(folder.join("bin").join(name)))
    }

    /// Once, whoever else wants it at the same time.
    fn install(&self) -> anyhow::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(cache_folder().join("python"))?;
        let lock = File::create(folder.with_extension("lock"))?;
        lock.lock()?;
        if folder.join("complete").is_file() {
            return Ok(());
        }
        system_packages::ensure_for_python()?;
        say(&format!("Installing {} {} (once)", self.name, self.version))?;
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg(format!("{}=={}", self.name, self.version)))?;
        fs::write(folder.join("complete"), [])?;
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        cache_folder().join("python").join(format!("{}-{}", self.name, self.version))
    }
}
