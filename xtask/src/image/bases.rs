//! The images that others are built on, in place of those that a registry would give.

use std::{fs, path::Path, process::Command};

use etui_services::postgres;

use super::containers::engine;
use crate::process::{cache_folder, output, repository, run, say, succeeds};

const SUITE: &str = "bookworm";
const DEBIAN: &str = "localhost/etui-test/debian:12";
const BUILDER: &str = "localhost/etui-test/rust";
const POSTGRES: &str = "localhost/etui-test/postgres";
const STAND_INS: &str = "localhost/etui-test/stand-ins";

/// What `deploy/Dockerfile` is given.
pub(super) struct Bases {
    /// The image that the server's lies upon.
    pub(super) base: &'static str,
    /// The image in which it is built.
    pub(super) builder: &'static str,
}

/// Makes what is not there yet.
pub(super) fn make() -> anyhow::Result<Bases> {
    make_debian()?;
    let files = repository().join("xtask/image");
    build(BUILDER, "builder", &files, &[])?;
    build(STAND_INS, "stand-ins", &files, &[])?;
    let programs = format!("programs={}", postgres::install()?.display());
    build(POSTGRES, "postgres", &files, &["--build-context", &programs])?;
    Ok(Bases { base: DEBIAN, builder: BUILDER })
}

/// No more than the official slim image has; so no certificates either.
fn make_debian() -> anyhow::Result<()> {
    if succeeds(engine("podman").args(["image", "exists", DEBIAN])) {
        return Ok(());
    }
    let archive = cache_folder().join(format!("containers/{SUITE}.tar"));
    if !archive.is_file() {
        bootstrap(&archive)?;
    }
    output(engine("podman").arg("import").arg(archive).arg(DEBIAN)).map(drop)
}

fn bootstrap(archive: &Path) -> anyhow::Result<()> {
    say("Making a Debian to build on (once, takes minutes)")?;
    fs::create_dir_all(archive.with_file_name(""))?;
    let half = archive.with_extension("half.tar");
    run(Command::new("mmdebstrap").args(["--quiet", "--variant=minbase", SUITE]).arg(&half))?;
    Ok(fs::rename(half, archive)?)
}

/// Steps that were done before with the same files are not done again.
fn build(image: &str, name: &str, context: &Path, options: &[&str]) -> anyhow::Result<()> {
    say(&format!("Making {image}"))?;
    let mut bud = engine("buildah");
    bud.args(["bud", "--quiet", "--layers", "--network", "host", "--build-arg", &format!("BASE={DEBIAN}")]);
    bud.arg("--file").arg(context.join(format!("{name}.Dockerfile")));
    output(bud.args(["--tag", image]).args(options).arg(context)).map(drop)
}
