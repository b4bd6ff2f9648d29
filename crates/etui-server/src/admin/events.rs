//! `etui-server admin events`

use std::{
    collections::HashMap,
    io::{self, Write as _},
};

use anyhow::{Context as _, bail};
use clap::Args;
use etui_api::{email::normalize_email, privacy::AuditEvent};
use etui_store::{Page, Pseudonym, Store};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::with_store;
use crate::{
    audit_log::{self, PAGE_EVENTS},
    config::ServeOptions,
};

/// Whose events, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin events\n  etui-server admin events --account ada@example.org\n  etui-server admin events --jsonl > events.jsonl\n\nThe newest first: when, whose account, who did it and by what name, what, to what, what came of it. Ids are pseudonyms: those of one account are alike, and go with it. An administrator is named as in the log of their own account."
)]
pub struct Arguments {
    /// Of the account with this address alone
    #[arg(long, value_name = "ADDRESS")]
    account: Option<String>,
    /// As lines of JSON
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    options: ServeOptions,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { account, jsonl, options } = self;
        with_store(options, async |store, _| {
            let account = match account {
                Some(address) => Some(pseudonym(store, &address).await?),
                None => None,
            };
            let mut before = None;
            loop {
                let page = Page { before, most: PAGE_EVENTS };
                let events = store.events_of_all(&store.operator(), account, page).await?;
                let page = audit_log::page(&events, &HashMap::new());
                print(&page.events, jsonl)?;
                match page.next {
                    Some(next) => before = Some(next),
                    None => return Ok(()),
                }
            }
        })
    }
}

async fn pseudonym(store: &Store, address: &str) -> anyhow::Result<Pseudonym> {
    let email = normalize_email(address).context("--account is an e-mail address")?;
    match store.pseudonym_of(&store.operator(), &email).await? {
        Some(pseudonym) => Ok(pseudonym),
        None => bail!("no account has that address: `etui-server admin events` lists those of all"),
    }
}

fn print(events: &[AuditEvent], jsonl: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        if jsonl {
            serde_json::to_writer(&mut out, event)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", line(event)?)?;
        }
    }
    Ok(())
}

fn line(event: &AuditEvent) -> anyhow::Result<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(event.time_ms) * 1_000_000)?;
    let AuditEvent { account, actor, actor_id, action, object, outcome, .. } = event;
    let [actor_id, object] = [actor_id, object].map(|id| id.as_deref().unwrap_or("-"));
    Ok(format!("{}  {account}  {actor}  {actor_id}  {action}  {object}  {outcome}", time.format(&Rfc3339)?))
}
