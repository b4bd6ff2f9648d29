//! `etui devices`: the devices of the account.

use clap::{Args, Subcommand};
use serde_json::json;

use super::selection;
use crate::{
    agent::{
        AgentError,
        protocol::{Device, Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    output::time_text,
    prompt,
};

/// List the devices of the account, approve, rename or remove one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

const EXAMPLES: &str = "\
Examples:
  etui devices
  etui devices approve 77fe
  etui devices rename 5c01 'Work laptop'
  etui devices remove 5c01";

#[derive(Debug, Subcommand)]
enum Action {
    /// Let a device in that has signed in for the first time and waits
    ///
    /// Where the account asks for it, a new device is given nothing until another one approves it. Approve only what you are
    /// setting up yourself, just now; `etui devices remove` turns anything else away.
    #[command(after_help = "Example:\n  etui devices approve 77fe")]
    Approve {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        device: String,
    },
    /// Call a device something else
    #[command(after_help = "Example:\n  etui devices rename 5c01 'Work laptop'")]
    Rename {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        device: String,
        /// Its new name
        #[arg(value_name = "NAME", value_parser = selection::device_name)]
        name: String,
    },
    /// Take a device off the account
    ///
    /// It is signed out and nobody takes its changes any more; who has both passwords can still sign in from it, and is told so.
    /// It keeps what it has, its keys among it: for a device that may be in other hands, change what it knew.
    #[command(after_help = "Example:\n  etui devices remove 5c01 --yes")]
    Remove {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        device: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        None => list(context),
        Some(Action::Approve { device }) => approve(context, &device),
        Some(Action::Rename { device, name }) => rename(context, &device, &name),
        Some(Action::Remove { device, yes }) => remove(context, &device, yes),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let devices = devices(context, true)?;
    context.output.document(&devices)?;
    context.output.table(&devices.iter().map(row).collect::<Vec<_>>())
}

fn approve(context: &Context, prefix: &str) -> Result<(), Failure> {
    let device = find(devices(context, false)?, prefix)?;
    if !device.awaits_approval {
        return Err(
            Failure::new(Kind::Usage, "approving a device: it does not wait").with_hint("run `etui devices`")
        );
    }
    context.agent()?.tell(&Request::ApproveDevice { device: device.id.clone() })?;
    context.output.document(&json!({ "id": device.id, "approved": true }))?;
    context.output.line("The device is approved. Run `etui login` on it again.")
}

fn rename(context: &Context, prefix: &str, name: &str) -> Result<(), Failure> {
    let device = find(devices(context, false)?, prefix)?;
    context.agent()?.tell(&Request::RenameDevice { device: device.id.clone(), name: name.to_owned() })?;
    context.output.document(&json!({ "id": device.id, "name": name }))?;
    context.output.line(&format!("The device is now called {name}."))
}

fn remove(context: &Context, prefix: &str, yes: bool) -> Result<(), Failure> {
    let device = find(devices(context, false)?, prefix)?;
    if device.this {
        return Err(Failure::new(Kind::Usage, "removing a device: this is the one that you are using")
            .with_hint("run `etui logout` here, or remove it from another device"));
    }
    if !yes && !prompt::confirm(&format!("Take {} off the account?", device.name)) {
        return Err(Failure::new(Kind::Usage, "removing a device: not confirmed")
            .with_hint("give `--yes` to go ahead"));
    }
    context.agent()?.tell(&Request::RemoveDevice { device: device.id.clone() })?;
    context.output.document(&json!({ "id": device.id, "removed": true }))?;
    context.output.line(&format!("{} is off the account.", device.name))?;
    context
        .output
        .note("It still has every key it had. If it may be in other hands, change the passwords it knew.");
    Ok(())
}

fn devices(context: &Context, shown: bool) -> Result<Vec<Device>, Failure> {
    match context.agent()?.ask(&Request::Devices { shown })? {
        Reply::Devices(devices) => Ok(devices),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

/// The one device whose id begins so.
fn find(devices: Vec<Device>, prefix: &str) -> Result<Device, Failure> {
    let mut hits = devices.into_iter().filter(|device| device.id.starts_with(prefix));
    match (hits.next(), hits.next()) {
        (Some(device), None) => Ok(device),
        (None, _) => {
            Err(Failure::new(Kind::NotFound, "naming a device: none has that id")
                .with_hint("run `etui devices`"))
        }
        (Some(_), Some(_)) => Err(Failure::new(Kind::Usage, "naming a device: several ids begin so")
            .with_hint("give more of its id")),
    }
}

fn row(device: &Device) -> [String; 4] {
    let place = match device {
        Device { this: true, .. } => "this device",
        Device { awaits_approval: true, .. } => "waits: `etui devices approve`",
        Device { listed: true, signed_in_ms: Some(_), .. } => "",
        Device { listed: true, signed_in_ms: None, .. } => "signed out",
        Device { listed: false, .. } => "not listed",
    };
    let seen = device.last_seen_ms.map(|time| format!("last seen {}", time_text(time))).unwrap_or_default();
    let new = if device.new { "new" } else { "" };
    let notes = [new, place].into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>();
    [short(device).to_owned(), device.name.clone(), seen, notes.join(", ")]
}

/// Enough of its id to name it.
pub(super) fn short(device: &Device) -> &str {
    &device.id[..8.min(device.id.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Device {
        Device {
            id: id.to_owned(),
            name: String::new(),
            this: false,
            listed: true,
            awaits_approval: false,
            new: false,
            signed_in_ms: None,
            last_seen_ms: None,
        }
    }

    #[test]
    fn the_beginning_of_an_id_must_name_one_device() {
        let devices = || vec![device("5c01aa"), device("5c02bb"), device("77")];
        assert_eq!(find(devices(), "5c01").unwrap().id, "5c01aa");
        assert_eq!(find(devices(), "5c").unwrap_err().kind, Kind::Usage);
        assert_eq!(find(devices(), "9").unwrap_err().kind, Kind::NotFound);
    }
}
