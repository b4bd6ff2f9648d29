//! `cargo xtask image`: builds the container image on base images made here, measures it, and runs the whole stack of
//! `deploy/compose.yaml` with it. No registry of images is asked for anything.

mod alone;
mod bases;
mod build;
mod containers;
mod journey;
mod stack;

use std::time::Instant;

use etui_services::{Ceph, system_packages};

use crate::process::{cargo, run as run_command, say};

use stack::Stack;

pub(crate) fn run() -> anyhow::Result<()> {
    let started = Instant::now();
    system_packages::ensure_for_containers()?;
    let bases = bases::make()?;
    build::server(&bases)?;
    build::check_size(&bases)?;
    build::check_program()?;
    alone::check()?;
    say("Building etui")?;
    run_command(&mut cargo("build --locked --release --package etui-cli"))?;
    let ceph = Ceph::start_for_containers("minio")?;
    let stack = Stack::start(&ceph)?;
    let outcome = journey::run(&stack);
    if outcome.is_err() {
        Stack::show_logs()?;
    }
    outcome?;
    say(&format!("The image and the stack are right, {} s.", started.elapsed().as_secs()))
}
