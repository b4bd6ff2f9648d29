//! `etui list`: every entry, without secrets.

use clap::Args;

use super::selection::{self, FilterArguments};
use crate::{agent::protocol::Request, context::Context, failure::Failure};

/// List entries; never shows a secret
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui list\n  etui list --tag work --json\n  etui list --trash")]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: FilterArguments,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    selection::show(context, &Request::List { filter: arguments.filter.into() })
}
