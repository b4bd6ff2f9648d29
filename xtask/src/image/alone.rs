//! One container of the image and nothing else, with as few rights as there are.

use anyhow::ensure;

use super::{
    build::IMAGE,
    containers::{Container, engine},
};
use crate::process::{output, say};

/// Starts it without any setting, and demands that it serves from its volume and can do nothing else.
pub(super) fn check() -> anyhow::Result<()> {
    let mut run = engine("podman");
    run.args(["run", "--detach", "--rm", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL"]);
    run.args(["--security-opt", "no-new-privileges", "--memory", "256m"]);
    run.args(["--volume", "/data", IMAGE]);
    let container = Container(output(&mut run)?.trim().to_owned());
    let outcome = container.wait_until_healthy().and_then(|()| check_rights(&container, "/data"));
    let stopped = output(engine("podman").args(["stop", &container.0]));
    outcome.and(stopped)?;
    say("The image serves alone, as a user without rights, and writes to its volume only")
}

/// Neither a user nor rights nor a place to write but `kept`.
pub(super) fn check_rights(container: &Container, kept: &str) -> anyhow::Result<()> {
    let user = container.execute(&["id", "-u"])?;
    ensure!(user.trim() == "8484", "the server runs as {}", user.trim());
    let status = container.execute(&["cat", "/proc/1/status"])?;
    for right in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        ensure!(status.contains(right), "the server does not run with {right}: {status}");
    }
    container.execute(&["touch", &format!("{kept}/written")])?;
    // As root, so that it is not the permissions that refuse.
    for place in ["/written", "/etc/passwd"] {
        let refused = container.try_as_root(&["touch", place])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success(), "{place} can be written");
        ensure!(said.contains("Read-only file system"), "{place} is refused for another reason: {said}");
    }
    Ok(())
}
