//! `etui-server admin plan`

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use etui_api::{
    admin::{Plan, Plans},
    plan::Entitlements,
};
use serde_json::{Value, json};

use super::{
    named::Named,
    told::{Common, columns},
    with_account, with_store,
};
use crate::clock;

/// What can be done with plans.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// List the plans
    #[command(after_help = "Example:\n  etui-server admin plan list")]
    List(Common),
    /// Give an account a plan; what is more than it has room for stays as it is
    #[command(
        after_help = "Examples:\n  etui-server admin plan set ada@example.org paid\n  etui-server admin plan set ada@example.org --default"
    )]
    Set(SetArguments),
    /// Make a plan, or give it other entitlements for all accounts that have it
    #[command(
        after_help = "Examples:\n  etui-server admin plan define team '{\"entries\": 5000, \"devices\": 10}'\n  etui-server admin plan define self-hosted '{}'\n\nWhat is not named is not limited: `entries`, `devices`, `vaults`, `attachment_bytes`; and `features`, a list of\nthose that are included: `live_events`."
    )]
    Define(DefineArguments),
}

#[derive(Debug, Args)]
pub struct SetArguments {
    #[command(flatten)]
    named: Named,
    /// The plan
    #[arg(value_name = "PLAN", required_unless_present = "default")]
    plan: Option<String>,
    /// Whichever the server gives to accounts without one of their own
    #[arg(long, conflicts_with = "plan")]
    default: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct DefineArguments {
    /// Its name: small letters, digits, `-` and `_`
    #[arg(value_name = "PLAN")]
    name: String,
    /// What it gives, as JSON
    #[arg(value_name = "ENTITLEMENTS", value_parser = entitlements)]
    entitlements: Entitlements,
    #[command(flatten)]
    common: Common,
}

impl PlanCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(common) => list(common),
            Self::Set(arguments) => set(arguments),
            Self::Define(arguments) => define(arguments),
        }
    }
}

fn list(common: Common) -> anyhow::Result<()> {
    let (told, options) = common.split();
    let plans = with_store(options, async |store, _settings| Ok(store.plans(&store.operator()).await?))?;
    told.say(&plans, || words(&plans))
}

fn set(SetArguments { named, plan, common, .. }: SetArguments) -> anyhow::Result<()> {
    let (told, options) = common.split();
    let (account_id, ()) = with_account(options, &named, async |store, account_id| {
        let set = store.set_plan(&store.operator(), account_id, plan.as_deref(), clock::now_ms()).await;
        set.context("changing the plan")
    })?;
    told.say(&json!({ "account_id": account_id, "plan": plan }), || {
        let plan = plan
            .as_deref()
            .map_or_else(|| "the server's own plan".to_owned(), |plan| format!("the plan {plan}"));
        format!("{} has {plan} now.", named.as_given())
    })
}

fn define(DefineArguments { name, entitlements, common }: DefineArguments) -> anyhow::Result<()> {
    let (told, options) = common.split();
    with_store(options, async |store, _settings| {
        let defined = store.define_plan(&store.operator(), &name, &entitlements).await;
        defined.with_context(|| format!("defining the plan “{name}”"))
    })?;
    told.say(&json!({ "name": name, "entitlements": entitlements }), || {
        format!("The plan {name} has: {}.", described(&entitlements))
    })
}

/// Takes only what is known: a limit with a slip of the pen in its name would limit nothing.
fn entitlements(text: &str) -> anyhow::Result<Entitlements> {
    let given: Value = serde_json::from_str(text).context("it is not JSON")?;
    let read: Entitlements = serde_json::from_value(given.clone()).context("it is not what a plan gives")?;
    ensure!(serde_json::to_value(&read)? == given, "it names something that no plan gives");
    Ok(read)
}

fn words(Plans { plans }: &Plans) -> String {
    let row = |plan: &Plan| {
        let accounts = format!("accounts: {}", plan.accounts);
        let default = if plan.default { "the server's own" } else { "" };
        [plan.name.clone(), accounts, described(&plan.entitlements), default.to_owned()]
    };
    columns(&plans.iter().map(row).collect::<Vec<_>>())
}

fn described(entitlements: &Entitlements) -> String {
    let Entitlements { entries, devices, vaults, attachment_bytes, features } = entitlements;
    let limits = [
        ("entries", entries),
        ("devices", devices),
        ("vaults", vaults),
        ("bytes of attachments", attachment_bytes),
    ];
    let mut parts: Vec<_> =
        limits.into_iter().filter_map(|(what, limit)| limit.map(|limit| format!("{limit} {what}"))).collect();
    if let Some(features) = features {
        let features: Vec<_> = features.iter().map(String::as_str).collect();
        parts.push(format!("of the features [{}]", features.join(", ")));
    }
    if parts.is_empty() { "everything, without a limit".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_plan_gives_is_taken() {
        assert_eq!(entitlements("{}").unwrap(), Entitlements::default());
        assert_eq!(entitlements(r#"{"entries": 3}"#).unwrap().entries, Some(3));
        for wrong in ["", "3", r#"{"entires": 3}"#, r#"{"entries": -1}"#, r#"{"entries": null}"#] {
            assert!(entitlements(wrong).is_err(), "{wrong}");
        }
    }
}
