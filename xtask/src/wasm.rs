//! `cargo xtask wasm`: the core in WebAssembly, built, bound to JavaScript, and checked in Node.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    process::{cargo, repository, run as run_command, say, succeeds, target_folder},
    system_packages,
};

const TARGET: &str = "wasm32-unknown-unknown";
const RUST_FLAGS: &str = "-C target-feature=+simd128";

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Use Debian's compiler and its library's source even where rustup has the target
    #[arg(long)]
    debian: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    system_packages::ensure_for_node()?;
    let folder = target_folder()?.join("wasm");
    let mut build = if !arguments.debian && rustup_has_target() {
        rustup_build(&folder)
    } else {
        debian_build(&folder)?
    };
    let build_folder = folder.join(if is_debian(&build) { "debian" } else { "rustup" });
    say("Building the core for WebAssembly")?;
    run_command(build.arg("--target-dir").arg(&build_folder))?;
    write_bindings(&build_folder.join(TARGET).join("release/etui_wasm.wasm"), &folder)?;
    check_in_node(&folder)
}

/// Asks rustup's servers only if the target is not there yet.
fn rustup_has_target() -> bool {
    succeeds(Command::new("rustup").args(["target", "add", TARGET]).current_dir(repository()))
}
