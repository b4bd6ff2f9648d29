//! `etui plan`: what the account may use, and uses.

use clap::Args;
use etui_client::AccountEntitlements;

use crate::{
    agent::{
        AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::Failure,
};

/// Show the account's plan and what is used of it
///
/// A plan bounds what can be added. Whatever is there can always be read, changed, deleted and exported, even if it is more
/// than the plan has room for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui plan\n  etui plan --json")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let Reply::Plan(shown) = context.agent()?.ask(&Request::Plan)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&shown)?;
    context.output.table(&rows(&shown))
}

fn rows(shown: &AccountEntitlements) -> Vec<[String; 2]> {
    let AccountEntitlements { plan, entitlements, used, flags } = shown;
    let mut rows = vec![
        ["plan".to_owned(), plan.clone()],
        ["entries".to_owned(), of(used.entries, entitlements.entries)],
        ["devices".to_owned(), of(used.devices, entitlements.devices)],
        ["vaults".to_owned(), of(used.vaults, entitlements.vaults)],
    ];
    let on: Vec<_> = flags.iter().filter(|(_, on)| **on).map(|(name, _)| name.as_str()).collect();
    if !on.is_empty() {
        rows.push(["on trial".to_owned(), on.join(", ")]);
    }
    rows
}

fn of(used: u64, allowed: Option<u64>) -> String {
    match allowed {
        Some(allowed) if used > allowed => format!("{used} of {allowed}: nothing can be added"),
        Some(allowed) => format!("{used} of {allowed}"),
        None => format!("{used}, without a limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_told_beside_the_limit() {
        assert_eq!(of(3, Some(5)), "3 of 5");
        assert_eq!(of(6, Some(5)), "6 of 5: nothing can be added");
        assert_eq!(of(6, None), "6, without a limit");
    }
}
