//! `cargo xtask wasm`: the core in WebAssembly, built, bound to JavaScript, and checked in Node.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use etui_services::system_packages;

use crate::process::{cargo, output, repository, run as run_command, say, succeeds, target_folder};

const TARGET: &str = "wasm32-unknown-unknown";

/// Argon2id is as fast as natively with it, and half as fast without.
const SIMD: &str = "-C target-feature=+simd128";

/// Debian's compiler comes without the library for this target, but with the library's source of the same version.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_COMPILER: &str = "/usr/bin/rustc";

/// Optimised well, and never linked to anything: only what is built for it counts.
const LIBRARY_MANIFEST: &str = r#"[package]
name = "library"
edition = "2024"

[profile.release]
codegen-units = 1
panic = "abort"

[workspace]
"#;

#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Use Debian's compiler even where rustup has the target
    #[arg(long)]
    debian: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = build(arguments)?;
    run_command(&mut node(&folder))
}

/// What Node says of each published attack on the core: its name, and whether it was refused.
pub(crate) fn attacks() -> anyhow::Result<Vec<(String, bool)>> {
    let folder = build(&Arguments::default())?;
    let said = node(&folder).arg("--attacks").output().context("starting Node")?;
    let said = String::from_utf8(said.stdout).context("reading what Node said")?;
    let line = |line: &str| {
        let (verdict, rest) = line.split_once(char::is_whitespace)?;
        let (name, _) = rest.trim_start().strip_prefix("attack ")?.split_once(':')?;
        Some((name.to_owned(), verdict == "ok"))
    };
    Ok(said.lines().filter_map(line).collect())
}

/// The folder with the bindings.
fn build(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    system_packages::ensure_for_node()?;
    let target_folder = target_folder()?;
    let folder = target_folder.join("wasm");
    let mut compile = if !arguments.debian && rustup_has_target() { pinned() } else { debian(&folder)? };
    say("Building the core for WebAssembly")?;
    compile.args(["build", "--locked", "--release", "--package", "etui-wasm", "--target", TARGET]);
    run_command(compile.arg("--target-dir").arg(&target_folder))?;
    write_bindings(&target_folder.join(TARGET).join("release/etui_wasm.wasm"), &folder)?;
    Ok(folder)
}

/// Asks rustup's servers only if the target is not there yet.
fn rustup_has_target() -> bool {
    succeeds(Command::new("rustup").args(["target", "add", TARGET]).current_dir(repository()))
}

/// The compiler that everything else is built with.
fn pinned() -> Command {
    let mut cargo = cargo("");
    cargo.env("RUSTFLAGS", SIMD);
    cargo
}

/// Debian's compiler, for a machine that does not reach rustup's servers, with a library built once.
fn debian(folder: &Path) -> anyhow::Result<Command> {
    system_packages::ensure_for_debian_wasm()?;
    let version = output(Command::new(DEBIAN_COMPILER).arg("--version"))?;
    let version = version.split_whitespace().nth(1).context("reading the version of Debian's compiler")?;
    let sysroot = folder.join(format!("sysroot-{version}"));
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !library.exists() {
        say("Building the standard library for WebAssembly (once, takes a minute)")?;
        let built = build_library(&folder.join("library"))?;
        keep_library(&built, &library).context("keeping the standard library")?;
    }
    let mut cargo = debian_cargo(repository());
    cargo.env("RUSTFLAGS", format!("{SIMD} --sysroot {}", sysroot.display()));
    Ok(cargo)
}

fn debian_cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .current_dir(folder)
        .env("RUSTC", DEBIAN_COMPILER)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
    // Set for this program by the cargo that runs it; the libraries in there are another compiler's.
    cargo.env_remove("LD_LIBRARY_PATH");
    cargo
}

/// In an empty crate of its own: the unstable option must not reach the build scripts of our dependencies, which would
/// take the compiler for a nightly one.
fn build_library(folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), LIBRARY_MANIFEST)?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let mut build = debian_cargo(folder);
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-C embed-bitcode=yes");
    build.args(["build", "--release", "-Z", "build-std=std,panic_abort", "--target", TARGET]);
    run_command(build.args(["--target-dir", "target"]))?;
    Ok(folder.join("target").join(TARGET).join("release/deps"))
}

/// The folder appears at once and complete: a copy that was broken off must not be taken for a library.
fn keep_library(built: &Path, library: &Path) -> anyhow::Result<()> {
    let partial = library.with_extension("partial");
    fs::create_dir_all(&partial)?;
    for file in fs::read_dir(built)? {
        let file = file?;
        if file.path().extension() == Some(OsStr::new("rlib")) {
            fs::copy(file.path(), partial.join(file.file_name()))?;
        }
    }
    Ok(fs::rename(partial, library)?)
}

/// Writes `node` and `web` into the folder. The program for it is no part of the workspace, so that nothing else has to
/// compile it.
fn write_bindings(module: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut bindgen =
        cargo("run --quiet --locked --release --manifest-path xtask/bindgen/Cargo.toml --target-dir");
    run_command(bindgen.arg(folder.join("bindgen")).arg("--").args([module, folder]))
}

fn node(folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg("crates/etui-wasm/tests/node.mjs").arg(folder.join("node/etui_wasm.js")).arg("spec/vectors");
    node.current_dir(repository());
    node
}
