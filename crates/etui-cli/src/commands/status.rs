//! `etui status`: who, where, how far.

use clap::Args;
use serde_json::{Value, json};

use super::{devices::short, unlock::CHANGED_ELSEWHERE};
use crate::{
    agent::{
        self, Agent, AgentError, convert,
        protocol::{Device, LastSync, Reply, Request, Status, StoreOpensWith},
    },
    context::Context,
    failure::{Failure, Kind},
    output::{count, time_text},
};

/// Say whose device this is, whether it is unlocked, and whether everything is on the server
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui status\n  etui status --json")]
pub(crate) struct Arguments {}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    match agent::client::connect(&context.home)? {
        None => locked(context),
        Some(mut agent) => match agent.ask(&Request::Status)? {
            Reply::Status(status) => unlocked(context, &status, device_news(&mut agent, &status).as_deref()),
            _ => Err(AgentError::OtherVersion.into()),
        },
    }
}

/// What the server says of devices; nothing if it does not at once, since everything else is known without it.
fn device_news(agent: &mut Agent, status: &Status) -> Option<Vec<Device>> {
    let failure = status.last_sync.as_ref().and_then(|outcome| outcome.failure.as_ref());
    if !status.signed_in || failure.is_some_and(|failure| failure.kind == Kind::Offline) {
        return None;
    }
    match agent.ask(&Request::DeviceNews) {
        Ok(Reply::Devices(devices)) => Some(devices),
        _ => None,
    }
}

fn locked(context: &Context) -> Result<(), Failure> {
    let home = etui_client::Home::at(context.home.path().to_owned());
    let Some(device) = home.device().map_err(convert::failure)? else {
        context.output.document(&json!({ "unlocked": false, "account_id": null }))?;
        return context.output.line("This folder belongs to no account. Run `etui signup` or `etui login`.");
    };
    // Whether the account has a newer master password cannot be seen from outside the store.
    let opens_with =
        if device.uses_keyring() { StoreOpensWith::Keyring } else { StoreOpensWith::MasterPassword };
    context.output.document(&json!({
        "unlocked": false,
        "server": device.server,
        "account_id": device.account_id,
        "device_id": device.device_id,
        "store_opens_with": opens_with,
    }))?;
    context.output.table(&rows([
        ("State", "locked; run `etui unlock`".to_owned()),
        ("Server", device.server.clone()),
        ("Account", device.account_id.to_string()),
        ("Store", store(opens_with).to_owned()),
    ]))
}

fn unlocked(context: &Context, status: &Status, news: Option<&[Device]>) -> Result<(), Failure> {
    let mut document = serde_json::to_value(status).unwrap_or_default();
    if let Value::Object(members) = &mut document {
        members.insert("unlocked".to_owned(), Value::Bool(true));
        members.insert("device_news".to_owned(), serde_json::to_value(news).unwrap_or_default());
    }
    context.output.document(&document)?;
    let minutes = status.locks_in_s.div_ceil(60);
    let entries: usize = status.vaults.iter().map(|vault| vault.entries).sum();
    context.output.table(&rows([
        (
            "State",
            format!("unlocked; locks after {} without use", count(as_count(minutes), "minute", "minutes")),
        ),
        ("Account", format!("{} at {}", status.email, status.server)),
        ("Entries", entries.to_string()),
        ("Newest", newest_change(status)),
        ("Unsent", unsent(status.unsent)),
        ("Server", last_sync(status.last_sync.as_ref())),
        ("Store", store(status.store_opens_with).to_owned()),
        ("Head code", format!("{} (the same on every device that is up to date)", status.head_code)),
    ]))?;
    for warning in news.unwrap_or_default().iter().map(told).chain(warnings(status)) {
        context.output.line(&format!("! {warning}"))?;
    }
    Ok(())
}

/// One device that waits, or that the person does not know yet.
fn told(device: &Device) -> String {
    let id = short(device);
    match device {
        Device { awaits_approval: true, .. } => format!(
            "A new device waits, {id}. Only if you are setting it up just now: `etui devices approve {id}`; else \
             `etui devices remove {id}`."
        ),
        Device { listed: true, name, .. } => {
            format!(
                "A new device, {name} ({id}). `etui devices` shows all of them, and calls this one new no more."
            )
        }
        Device { listed: false, .. } => format!(
            "A new device, {id}, has signed in and has not opened the account. If it is none of yours: \
             `etui devices remove {id}`, and another login password (`etui account login-password change`)."
        ),
    }
}

const fn store(opens_with: StoreOpensWith) -> &'static str {
    match opens_with {
        StoreOpensWith::Keyring => "its key is in the keyring; the master password opens what is in it",
        StoreOpensWith::MasterPassword | StoreOpensWith::FormerMasterPassword => {
            "opens with the master password last used on this device"
        }
    }
}

fn newest_change(status: &Status) -> String {
    let newest = status.vaults.iter().max_by_key(|vault| vault.head_time_ms);
    newest.map_or_else(
        || "nothing yet".to_owned(),
        |vault| format!("change by {} at {}", vault.head_device, time_text(vault.head_time_ms)),
    )
}

fn unsent(number: usize) -> String {
    match number {
        0 => "nothing".to_owned(),
        number => format!("{}, saved on this device", count(number, "change", "changes")),
    }
}

fn last_sync(outcome: Option<&LastSync>) -> String {
    match outcome {
        None => "not asked yet".to_owned(),
        Some(LastSync { at_ms, failure: None }) => format!("up to date at {}", time_text(*at_ms)),
        Some(LastSync { at_ms, failure: Some(failure) }) => {
            let name =
                failure.refusal.as_deref().map(|name| format!("refused ({name}): ")).unwrap_or_default();
            // The server's own words are whole sentences.
            let message = failure.message.trim_end_matches('.');
            format!("{name}{message}, at {}", time_text(*at_ms))
        }
    }
}

fn warnings(status: &Status) -> Vec<String> {
    let mut warnings = status.warnings.clone();
    let own = [
        (!status.signed_in, "Not signed in: changes stay on this device. Run `etui login`.".to_owned()),
        (status.store_opens_with == StoreOpensWith::FormerMasterPassword, CHANGED_ELSEWHERE.to_owned()),
        (
            !status.history_complete,
            "What came before this device joined is still being fetched: `etui sync` waits for it."
                .to_owned(),
        ),
        (
            status.set_aside > 0,
            format!(
                "Data of the server was refused and put aside ({}): `etui refused list`.",
                count(status.set_aside, "answer", "answers")
            ),
        ),
    ];
    warnings.extend(own.into_iter().filter_map(|(applies, warning)| applies.then_some(warning)));
    let failure = status.last_sync.as_ref().and_then(|outcome| outcome.failure.as_ref());
    warnings.extend(failure.and_then(|failure| failure.hint.clone()));
    warnings
}

fn rows<const N: usize>(rows: [(&str, String); N]) -> [[String; 2]; N] {
    rows.map(|(name, value)| [name.to_owned(), value])
}

fn as_count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
