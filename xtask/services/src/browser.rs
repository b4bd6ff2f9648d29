//! A browser: Debian's Chromium without a screen, led by a script with `playwright-core` from npm. It has a virtual
//! authenticator, so that passkeys are made and shown for real.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{npm::NpmPackage, system_packages};

const PLAYWRIGHT: NpmPackage = NpmPackage { name: "playwright-core", version: "1.65.1" };

/// Installs what is not there yet.
///
/// # Errors
/// It cannot be installed.
pub fn install() -> anyhow::Result<()> {
    system_packages::ensure_for_browser()?;
    PLAYWRIGHT.modules().map(drop)
}

/// Runs a script, an ES module, which finds `playwright-core`, with these variables; what it printed.
///
/// # Errors
/// The browser cannot be installed, or the script failed: with what it said.
pub fn run(script: &str, variables: &[(&str, &str)]) -> anyhow::Result<String> {
    system_packages::ensure_for_browser()?;
    let folder = tempfile::Builder::new().prefix("etui-browser-").tempdir()?;
    symlink(PLAYWRIGHT.modules()?, folder.path().join("node_modules"))?;
    let file = folder.path().join("script.mjs");
    fs::write(&file, script)?;
    let mut node = Command::new("node");
    node.arg(file).envs(variables.iter().copied()).stdin(Stdio::null());
    let output = node.output().context("starting node")?;
    if !output.status.success() {
        bail!("the script failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
