//! The image of the server: built from `deploy/Dockerfile`, measured, and looked into.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{bases::Bases, containers::engine};
use crate::{
    process::{output, repository, run, say, succeeds},
    server_binary,
};

/// As compose.yaml calls it.
pub(super) const IMAGE: &str = concat!("localhost/etui-server:", env!("CARGO_PKG_VERSION"));
/// Compressed, as it travels, beside the base.
const MOST_BYTES: u64 = 40_000_000;
const PROGRAM: &str = "usr/local/bin/etui-server";

/// Builds it as anybody would, but for where the bases come from, and with this machine's Rust.
pub(super) fn server(bases: &Bases) -> anyhow::Result<()> {
    say("Building the image of the server")?;
    let rust = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repository()))?;
    // Else every run would leave an image without a name. The cache of the Dockerfile's own mounts is kept.
    let _ = succeeds(engine("podman").args(["image", "rm", "--force", IMAGE]));
    let mut bud = engine("buildah");
    // The form that knows health checks.
    bud.args(["bud", "--format", "docker", "--network", "host"]);
    bud.args(["--volume", &format!("{}:/usr/local/rust:ro", rust.trim())]);
    bud.args(["--volume", "/etc/ssl/certs:/usr/local/authorities:ro"]);
    bud.args(["--build-arg", &format!("BASE={}", bases.base)]);
    bud.args(["--build-arg", &format!("BUILDER={}", bases.builder)]);
    bud.args(["--file", "deploy/Dockerfile", "--tag", IMAGE, "."]);
    run(&mut bud)
}

/// What a machine fetches that has the base already.
pub(super) fn check_size(bases: &Bases) -> anyhow::Result<()> {
    let below = compressed_layers(bases.base)?.len();
    let layers = compressed_layers(IMAGE)?;
    ensure!(layers.len() > below, "the image has no layers of its own: this check sees nothing");
    let bytes: u64 = layers.iter().skip(below).sum();
    ensure!(bytes < MOST_BYTES, "the image has {bytes} bytes beside its base, not less than {MOST_BYTES}");
    say(&format!("The image has {bytes} bytes compressed beside its base ({} layers)", layers.len() - below))
}

/// The sizes of an image's layers as a registry would keep them, the lowest first.
fn compressed_layers(image: &str) -> anyhow::Result<Vec<u64>> {
    let folder = tempfile::tempdir()?;
    let mut push = engine("buildah");
    push.args(["push", "--quiet", "--compression-format", "gzip", image]);
    output(push.arg(format!("dir:{}", folder.path().display())))?;
    let text = std::fs::read_to_string(folder.path().join("manifest.json"))?;
    let manifest: Value = serde_json::from_str(&text)?;
    let layers = manifest["layers"].as_array().context("a manifest lists layers")?;
    layers.iter().map(|layer| layer["size"].as_u64().context("a layer has a size")).collect()
}

/// It must be the server as it is shipped, and not one that was built together with a client.
pub(super) fn check_program() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("etui-server");
    copy_out(&program)?;
    server_binary::check_symbols(&output(Command::new("nm").arg(&program))?)
        .context("looking into the program in the image")
}

fn copy_out(program: &Path) -> anyhow::Result<()> {
    let container = output(engine("podman").args(["create", IMAGE]))?;
    let container = container.trim();
    let copied =
        output(engine("podman").arg("cp").arg(format!("{container}:/{PROGRAM}")).arg(program)).map(drop);
    output(engine("podman").args(["rm", "--volumes", container]))?;
    copied
}
