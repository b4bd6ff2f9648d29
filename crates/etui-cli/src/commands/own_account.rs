//! `etui account events`, `download`, `delete`, `keep`: the account as the server holds it.

use std::path::Path;

use serde_json::json;

use super::{
    account,
    export::destination,
    ways::{self, Fresh},
};
use crate::{
    agent::{
        AgentError,
        protocol::{AccountRequest, Event, Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    output::time_text,
    progress::Progress,
    prompt,
};

/// What has to be typed.
const CONFIRMATION: &str = "delete";

pub(super) fn events(context: &Context, most: usize) -> Result<(), Failure> {
    let Reply::Events(events) = ways::ask(context, AccountRequest::Events { most }, &Fresh::default())?
    else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&events)?;
    context.output.table(&events.iter().map(row).collect::<Vec<_>>())
}

fn row(event: &Event) -> [String; 4] {
    let Event { time_ms, action, outcome, .. } = event;
    let device = event.device_name.clone().or_else(|| event.device_id.clone());
    let with = event.actor_device_name.as_ref().or(event.actor_device_id.as_ref());
    let actor = with.map_or_else(|| event.actor.clone(), |with| format!("{} ({with})", event.actor));
    let refused = if outcome == "refused" { " (refused)" } else { "" };
    let action = action.replace('_', " ");
    [time_text(*time_ms), format!("{action}{refused}"), actor, device.unwrap_or_default()]
}

pub(super) fn download(context: &Context, to: &Path, fresh: &Fresh) -> Result<(), Failure> {
    let to = destination(to)?;
    let asked = AccountRequest::Download { to: to.clone() };
    let mut request = Request::Account { asked, fresh: fresh.read()? };
    let bar = Progress::start(context, 0, "fetching KiB");
    let reply =
        account::ask_person_with(&mut context.agent()?, &mut request, |done, total| bar.set(done, total));
    bar.finish();
    let Reply::Downloaded { rows, bytes } = reply? else { return Err(AgentError::OtherVersion.into()) };
    context.output.document(&json!({ "file": to, "rows": rows, "bytes": bytes }))?;
    context.output.line(&format!("Written to {to} and read back: {rows} rows, {bytes} bytes."))
}

pub(super) fn delete(context: &Context, yes: bool, fresh: &Fresh) -> Result<(), Failure> {
    if !yes {
        context.output.note(
            "Everything of this account on the server will be gone: entries, history, devices. Make a backup first if you want \
             to keep it (`etui export --to backup.etui`).",
        );
        let typed = prompt::line(&format!("Type `{CONFIRMATION}` to go on"));
        if !typed.is_ok_and(|typed| typed == CONFIRMATION) {
            return Err(Failure::new(Kind::Usage, "deleting the account: not confirmed")
                .with_hint("nothing was changed; give `--yes` to go ahead without a question"));
        }
    }
    let Reply::Leaves { delete_at_ms } = ways::ask(context, AccountRequest::Delete, fresh)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&json!({ "delete_at_ms": delete_at_ms }))?;
    let when = time_text(delete_at_ms);
    context.output.line(&format!(
        "The account will be gone on {when}. Until then `etui account keep` on this device keeps it, and `etui account download` \
         takes it along. All other devices are signed out."
    ))
}

pub(super) fn keep(context: &Context) -> Result<(), Failure> {
    ways::change(context, AccountRequest::Keep, &Fresh::default())?;
    context.output.document(&json!({ "kept": true }))?;
    context.output.line("The account stays.")
}
