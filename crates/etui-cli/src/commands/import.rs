//! `etui import`: entries of other programs, in one commit.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use etui_client::{OsRandom, now_ms};
use etui_vault::import;
use serde_json::json;

use crate::{
    agent::{
        Agent, AgentError,
        protocol::{Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    output::count,
    progress::Progress,
    secret::Secret,
    secret_input::{self, InputError},
};

/// Bring entries in from a file, all in one commit
///
/// `jsonl`: one entry a line, such as `{"type":"login","title":"Mail","username":"ada","password":"…","urls":["https://mail.example"]}`.
/// If one line cannot be read, nothing is imported.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// How the file is written
    #[arg(long, value_enum)]
    format: Format,
    /// The file (`-`: standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  etui import --format jsonl entries.jsonl
  convert old.csv | etui import --format jsonl - --json";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// JSON Lines
    Jsonl,
}

/// What some programs write in front of UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// So many bytes of documents go in one message.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let text = secret_input::whole_file(&arguments.file).map_err(|error| match error {
        InputError::NotText => Failure::new(Kind::Usage, "reading the file: it is not UTF-8")
            .with_hint("nothing was imported; save it as UTF-8"),
        other => other.into(),
    })?;
    let documents = match arguments.format {
        Format::Jsonl => documents(text.expose())?,
    };
    let bar = Progress::start(context, documents.len(), "saving");
    let ids = send(&mut agent, documents, &bar)?;
    bar.finish();
    context.output.document(&json!({ "imported": ids.len(), "ids": ids }))?;
    context.output.line(&format!("Imported {}.", count(ids.len(), "entry", "entries")))
}

/// Every line as an entry document, or what is wrong with the first few that are none.
fn documents(text: &str) -> Result<Vec<Secret>, Failure> {
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    for line in import::parse(text.trim_start_matches(BYTE_ORDER_MARK)) {
        match line {
            Ok(new) => documents.push(new.into_entry(now_ms(), &mut OsRandom)),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    if !faults.is_empty() {
        return Err(unreadable(&faults));
    }
    documents
        .into_iter()
        .map(|entry| {
            let bytes = entry.map_err(|error| Failure::of(Kind::Usage, &error))?.encode()?;
            Secret::from_utf8(&bytes).ok_or_else(|| unreadable(&[]))
        })
        .collect()
}

fn unreadable(faults: &[String]) -> Failure {
    let (shown, rest) = faults.split_at(faults.len().min(5));
    let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
    Failure::new(Kind::Usage, format!("{}{more}", shown.join("; ")))
        .with_hint("nothing was imported; correct the file")
}

fn send(
    agent: &mut Agent,
    documents: Vec<Secret>,
    bar: &Progress,
) -> Result<Vec<etui_chain::ObjectId>, Failure> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for document in documents {
        bytes += document.expose().len();
        batch.push(document);
        if bytes >= BATCH_BYTES {
            agent.tell(&Request::Stage { entries: std::mem::take(&mut batch) })?;
            bytes = 0;
        }
    }
    match agent.ask_with(&Request::Add { entries: batch }, |done, total| bar.set(done, total))? {
        Reply::Added(ids) => Ok(ids),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_line_imports_nothing_and_is_named_without_its_value() {
        let failure =
            documents("{\"title\":\"a\"}\n{\"title\":\"b\",\"password\":[\"hunter2\"]}\n").unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert!(
            failure.message.contains("line 2") && !failure.message.contains("hunter2"),
            "{}",
            failure.message
        );
        assert_eq!(
            documents("\u{feff}{\"title\":\"a\"}\n").unwrap().len(),
            1,
            "a byte order mark says nothing"
        );
        assert_eq!(documents("{\"title\":\"a\"}\n\n{\"title\":\"b\"}\n").unwrap().len(), 2);
    }
}
