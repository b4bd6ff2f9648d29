//! Packages from the npm registry, each of one exact version in the cache folder. No script of theirs runs when they are
//! installed.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};

use crate::{
    process::{cache_folder, run, say},
    system_packages,
};

/// An npm package.
pub(crate) struct NpmPackage {
    /// The package.
    pub(crate) name: &'static str,
    /// The only version that will do, so that every machine tests with the same.
    pub(crate) version: &'static str,
}

impl NpmPackage {
    /// The folder with its modules; installed if it is not there yet, by one of all that ask at once.
    ///
    /// # Errors
    /// It cannot be installed.
    pub(crate) fn modules(&self) -> anyhow::Result<PathBuf> {
        let Self { name, version } = self;
        let folder = cache_folder().join("services").join(format!("{name}-{version}"));
        let modules = folder.join("node_modules");
        fs::create_dir_all(&folder)?;
        let lock = fs::File::create(folder.join("lock"))?;
        lock.lock().context("waiting for another installation")?;
        if folder.join("complete").is_file() {
            return Ok(modules);
        }
        system_packages::ensure_for_npm()?;
        say(&format!("Installing {name} {version} (once)"))?;
        fs::write(folder.join("package.json"), r#"{"private":true}"#)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        run(npm.arg(format!("{name}@{version}")).current_dir(&folder))?;
        ensure!(modules.join(name).is_dir(), "{} has no {name}", modules.display());
        fs::write(folder.join("complete"), [])?;
        Ok(modules)
    }
}
