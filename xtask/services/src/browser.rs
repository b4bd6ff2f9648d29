//! A browser: Debian's Chromium without a screen, led by a script with `playwright-core` from npm. It has a virtual
//! authenticator, so that passkeys are made and shown for real.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{npm::NpmPackage, system_packages};

/// Looks a page over for what keeps people out.
const AXE: NpmPackage = NpmPackage { name: "axe-core", version: "4.14.1" };
const PLAYWRIGHT: NpmPackage = NpmPackage { name: "playwright-core", version: "1.65.1" };

/// Installs what is not there yet.
///
/// # Errors
/// It cannot be installed.
pub fn install() -> anyhow::Result<()> {
    system_packages::ensure_for_browser()?;
    AXE.modules()?;
    PLAYWRIGHT.modules().map(drop)
}

/// Runs a script, an ES module, which finds `playwright-core`, with these variables and the file of `axe-core` as `AXE`; what it
/// printed.
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
    node.env("AXE", AXE.modules()?.join(AXE.name).join("axe.min.js"));
    node.arg(file).envs(variables.iter().copied()).stdin(Stdio::null());
    let output = node.output().context("starting node")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("the script failed after: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}
