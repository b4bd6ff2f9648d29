//! What a command says: to people in words, to programs as JSON.

use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::config::ServeOptions;

/// To whom, and where the server keeps its data.
#[derive(Debug, Args)]
pub struct Common {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) options: ServeOptions,
}

/// How to say it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    json: bool,
}

impl Common {
    pub(super) fn split(self) -> (Told, ServeOptions) {
        (Told { json: self.json }, self.options)
    }
}

impl Told {
    /// Says it, as JSON or in words.
    pub(super) fn say(self, document: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(document)? } else { words() };
        writeln!(io::stdout(), "{text}")?;
        Ok(())
    }
}

/// Lines with their columns below each other.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A time for people.
pub(super) fn time(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.format(&Rfc3339).ok());
    time.unwrap_or_default()
}

/// What is used of what a plan has.
pub(super) fn used(used: u64, allowed: Option<u64>) -> String {
    allowed.map_or_else(|| format!("{used}, without a limit"), |allowed| format!("{used} of {allowed}"))
}
