//! `etui search`: the best hits, without secrets.

use clap::Args;

use super::selection::{self, FilterArguments};
use crate::{agent::protocol::Request, context::Context, failure::Failure};

/// Search titles, addresses, user names, tags and folders; never shows a secret
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui search git\n  etui search 'bank ada' --json --limit 5")]
pub(crate) struct Arguments {
    /// Words, all of which must be found
    #[arg(value_name = "TEXT")]
    text: String,
    /// At most so many hits
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    filter: FilterArguments,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let Arguments { text, limit, filter } = arguments;
    selection::show(context, &Request::Search { text, filter: filter.into(), limit })
}
