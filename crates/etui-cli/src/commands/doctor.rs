//! `etui doctor`: what could be wrong here.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use clap::Args;
use etui_client::now_ms;
use serde::Serialize;

use crate::{
    agent::{
        self, convert, platform,
        protocol::{Reply, Request, Status},
    },
    context::Context,
    failure::{Failure, Kind},
    output::count,
};

/// Check this device: folder, agent, store, clock, server, keyring
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui doctor\n  etui doctor --json")]
pub(crate) struct Arguments {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Good,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    health: Health,
    found: String,
}

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A head from further ahead than this means that a clock is wrong: one day.
const CLOCK_TOLERANCE_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let status = status(context);
    let mut findings = vec![folder(context), core_dumps(), agent(&status), store(context)];
    findings.extend(server_address(context).map(|address| server(&address)));
    findings.extend(keyring(context));
    if let Ok(Some(status)) = &status {
        findings.extend([session(status), listed(status), unsent(status), clock(status), refused(status)]);
    }
    context.output.document(&findings)?;
    context.output.table(&findings.iter().map(row).collect::<Vec<_>>())?;
    if findings.iter().any(|finding| finding.health == Health::Bad) {
        return Err(Failure::new(Kind::Failed, "something on this device needs attention"));
    }
    Ok(())
}

fn status(context: &Context) -> Result<Option<Box<Status>>, Failure> {
    match agent::client::connect(&context.home)? {
        None => Ok(None),
        Some(mut agent) => match agent.ask(&Request::Status)? {
            Reply::Status(status) => Ok(Some(status)),
            _ => Err(agent::AgentError::OtherVersion.into()),
        },
    }
}

fn folder(context: &Context) -> Finding {
    let path = context.home.path().display();
    match platform::is_private_folder(context.home.path()) {
        Ok(true) => good("folder", format!("{path}, yours alone")),
        Ok(false) => bad("folder", format!("{path} is open to others: `chmod 700` it")),
        Err(error) => warning("folder", format!("{path}: {error}")),
    }
}

fn core_dumps() -> Finding {
    if platform::is_hardened() {
        good("core dumps", "off".to_owned())
    } else {
        warning("core dumps", "this system does not let them be turned off".to_owned())
    }
}

fn agent(status: &Result<Option<Box<Status>>, Failure>) -> Finding {
    match status {
        Ok(Some(_)) => good("agent", "unlocked".to_owned()),
        Ok(None) => good("agent", "locked".to_owned()),
        Err(failure) => bad("agent", failure.message.clone()),
    }
}

fn store(context: &Context) -> Finding {
    let home = etui_client::Home::at(context.home.path().to_owned());
    match home.device() {
        Ok(Some(device)) => good("store", format!("account {}", device.account_id)),
        Ok(None) => warning("store", "this folder belongs to no account".to_owned()),
        Err(error) => bad("store", convert::failure(error).message),
    }
}

fn server_address(context: &Context) -> Option<String> {
    let home = etui_client::Home::at(context.home.path().to_owned());
    Some(home.device().ok()??.server.clone())
}

/// Only whether something accepts a connection there: what it says is checked by every sync.
fn server(address: &str) -> Finding {
    let Some((host, port)) = host_and_port(address) else {
        return bad("server", format!("{address} is not an address"));
    };
    let reached = (host.as_str(), port)
        .to_socket_addrs()
        .and_then(|mut addresses| addresses.next().ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .and_then(|address| TcpStream::connect_timeout(&address, CONNECT_LIMIT));
    match reached {
        Ok(_) => good("server", format!("{address} can be reached")),
        Err(error) => {
            warning("server", format!("{address} cannot be reached ({error}); everything works offline"))
        }
    }
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn session(status: &Status) -> Finding {
    if status.signed_in {
        good("session", "signed in".to_owned())
    } else {
        warning("session", "signed out, changes stay on this device: run `etui login`".to_owned())
    }
}

fn listed(status: &Status) -> Finding {
    if status.device_listed {
        good("device", "listed by the account".to_owned())
    } else {
        bad(
            "device",
            "not listed by the account, changes stay here: `etui export`, `etui logout --force`, `etui login`".to_owned(),
        )
    }
}

fn unsent(status: &Status) -> Finding {
    match status.unsent {
        0 => good("unsent", "nothing waits to be sent".to_owned()),
        number => warning("unsent", format!("{} on this device alone", count(number, "change", "changes"))),
    }
}

fn clock(status: &Status) -> Finding {
    let newest = status.vaults.iter().map(|vault| vault.head_time_ms).max().unwrap_or_default();
    if newest > now_ms() + CLOCK_TOLERANCE_MS {
        warning("clock", "the newest change comes from the future: a device's clock is wrong".to_owned())
    } else {
        good("clock", "agrees with the newest change".to_owned())
    }
}

/// Only whether it answers: a keyring that is locked would ask the person.
fn keyring(context: &Context) -> Option<Finding> {
    let home = etui_client::Home::at(context.home.path().to_owned());
    let device = home.device().ok()??;
    Some(match (device.uses_keyring(), etui_client::reach_keyring()) {
        (true, Ok(())) => good("keyring", "keeps the key of the store on this device".to_owned()),
        (true, Err(error)) => bad(
            "keyring",
            format!(
                "keeps the key of the store on this device, and {error}: unlock in the desktop's session"
            ),
        ),
        (false, Ok(())) => good(
            "keyring",
            "not used, as chosen when this device was set up; `etui logout` and `etui login` would use it"
                .to_owned(),
        ),
        (false, Err(_)) => good(
            "keyring",
            "none here; the master password last used on this device opens the store".to_owned(),
        ),
    })
}

fn refused(status: &Status) -> Finding {
    let failure = status.last_sync.as_ref().and_then(|outcome| outcome.failure.as_ref());
    match failure.filter(|failure| failure.kind == Kind::Refused) {
        Some(failure) => {
            let name = failure.refusal.as_deref().unwrap_or("refused");
            bad("server's data", format!("refused ({name}): {}. Your local copy is whole.", failure.message))
        }
        None => good("server's data", "nothing was refused".to_owned()),
    }
}

fn good(check: &'static str, found: String) -> Finding {
    Finding { check, health: Health::Good, found }
}

fn warning(check: &'static str, found: String) -> Finding {
    Finding { check, health: Health::Warning, found }
}

fn bad(check: &'static str, found: String) -> Finding {
    Finding { check, health: Health::Bad, found }
}

fn row(finding: &Finding) -> [String; 3] {
    let mark = match finding.health {
        Health::Good => "ok",
        Health::Warning => "!",
        Health::Bad => "BAD",
    };
    [mark.to_owned(), finding.check.to_owned(), finding.found.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (address, host, port) in [
            ("https://etui.test", "etui.test", 443),
            ("http://localhost:8484/", "localhost", 8484),
            ("https://[::1]:1/x?y", "::1", 1),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(host_and_port(address), Some((host.to_owned(), port)), "{address}");
        }
        for address in ["", "localhost", "https://", "http://a:b"] {
            assert_eq!(host_and_port(address), None, "{address}");
        }
    }
}
