//! `cargo xtask services`: the real components that tests need ([`etui_services`]), started for as long as they run.

use std::process::Command;

use anyhow::bail;
use etui_services::{Ceph, Durability, Garage, Postgres, browser, smtp, system_packages};

use crate::{
    process::{repository, run as run_command, say},
    schemathesis,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The S3-compatible store
    #[arg(long, value_enum, default_value_t = S3::Ceph)]
    s3: S3,
    /// A command to run while the services are up; without one they stay up until Ctrl-C
    #[arg(last = true)]
    command: Vec<String>,
}

/// Which S3-compatible store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum S3 {
    /// Ceph's gateway, a Debian package
    Ceph,
    /// Garage, built from its crate: ignores conditions of writes
    Garage,
}

/// What runs as long as this exists.
pub(crate) struct Services {
    postgres: Postgres,
    s3: RunningS3,
    programs: Vec<(&'static str, String)>,
}

enum RunningS3 {
    Ceph(Ceph),
    Garage(Garage),
}

impl Services {
    /// Installs what is missing and starts everything.
    pub(crate) fn start(s3: S3) -> anyhow::Result<Self> {
        // Which tests start for themselves.
        system_packages::ensure_for_haproxy()?;
        system_packages::ensure_for_faketime()?;
        system_packages::ensure_for_openssl()?;
        smtp::install()?;
        browser::install()?;
        let s3 = match s3 {
            S3::Ceph => RunningS3::Ceph(Ceph::start()?),
            S3::Garage => RunningS3::Garage(Garage::start()?),
        };
        let programs = schemathesis::variables()?.into();
        Ok(Self { postgres: Postgres::start(Durability::Fleeting)?, s3, programs })
    }

    /// The variables by which tests find the services.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.programs.clone();
        variables.push(("ETUI_TEST_POSTGRES", self.postgres.url()));
        match &self.s3 {
            RunningS3::Ceph(ceph) => variables.extend(ceph.variables()),
            RunningS3::Garage(garage) => {
                variables.extend(garage.variables());
                variables.push(("ETUI_TEST_S3_OVERWRITES", "true".to_owned()));
            }
        }
        variables
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let services = Services::start(arguments.s3)?;
    for (name, value) in services.variables() {
        say(&format!("export {name}={value}"))?;
    }
    let Some((program, rest)) = arguments.command.split_first() else {
        say("Running until Ctrl-C")?;
        return wait_for_end();
    };
    run_command(Command::new(program).args(rest).envs(services.variables()).current_dir(repository()))
}

/// Ctrl-C reaches the services too, since they belong to the same terminal; then this process is over as well.
fn wait_for_end() -> anyhow::Result<()> {
    let mut line = String::new();
    loop {
        if std::io::stdin().read_line(&mut line)? == 0 {
            bail!("standard input ended: give a command with `-- COMMAND`, or run this in a terminal");
        }
    }
}
