//! `etui agent`: the process that holds the keys; started by other commands.

use clap::Args;

use super::account::IdleArguments;
use crate::{
    agent::{client, server},
    context::Context,
    failure::Failure,
    output::Output,
};

/// Hold the keys of this device until it is locked
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    idle: IdleArguments,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    match server::run(&context.home, arguments.idle.minutes()) {
        Ok(()) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            // Whoever started it waits for this line.
            Output::raw(&client::unwilling(&failure))?;
            Err(failure)
        }
    }
}
