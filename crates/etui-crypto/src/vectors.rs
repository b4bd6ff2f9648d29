//! Checks files of known answers (`spec/vectors/README.md`): the same code natively and in WebAssembly.
//!
//! A file is recognised by its members, not by its name. Nothing in it is skipped: a member that is not known here is
//! an error, so that no answer goes unchecked.

mod account;
mod attachment;
mod commit;
mod format;
mod generate;
mod kdf;
mod malformed;
mod record;
mod recovery;
mod state;

use etui_chain::{AccountId, Refused};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::Keyset;

pub use generate::generate;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Which format the file was recognised as.
    pub format: &'static str,
    /// How many answers in it were found right.
    pub checked: usize,
}

/// Why a file of known answers was not found right.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The file is not JSON, or has members that its format does not have.
    #[error("{file} cannot be read")]
    Json {
        /// The file's name.
        file: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// No format has these members.
    #[error("{file} is in none of the known formats")]
    UnknownFormat {
        /// The file's name.
        file: String,
    },
    /// The format is known and there is nothing in the file.
    #[error("{file} holds nothing to check")]
    Nothing {
        /// The file's name.
        file: String,
    },
    /// An answer is another.
    #[error("{file}: {at}")]
    Wrong {
        /// The file's name.
        file: String,
        /// Which answer.
        at: Mismatch,
    },
}

/// One answer that was not found right.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// Something that must be accepted was refused.
    #[error("{at}: refused")]
    Refused {
        /// Where in the file.
        at: String,
        /// The refusal.
        source: Refused,
    },
    /// A value differs from the one in the file.
    #[error("{at}: the answer differs")]
    Differs {
        /// Where in the file.
        at: String,
    },
}

/// Checks one file, given by name (for messages) and content.
///
/// # Errors
/// The first thing that is not right.
pub fn check_file(file: &str, json: &str) -> Result<Report, VectorError> {
    let value = parse::<Value>(file, json)?;
    let (format, check) =
        recognise(&value).ok_or_else(|| VectorError::UnknownFormat { file: file.to_owned() })?;
    let checked = check(file, json)?;
    if checked == 0 {
        return Err(VectorError::Nothing { file: file.to_owned() });
    }
    Ok(Report { format, checked })
}

/// Reads what a keyset says once it has been opened, and writes it again: for whoever tries bytes that nobody has sealed.
///
/// # Errors
/// `unsupported_protocol`, `format`.
pub fn read_keyset_body(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let account_id = AccountId::new([1; 16]).expect("not all zeros");
    Keyset::from_body(account_id, body).map(|keyset| keyset.to_body())
}

type Check = fn(&str, &str) -> Result<usize, VectorError>;

fn recognise(value: &Value) -> Option<(&'static str, Check)> {
    const BY_MEMBER: [(&str, &str, Check); 7] = [
        ("derive", "kdf", |file, json| run(file, json, kdf::check)),
        ("chain", "commit", |file, json| run(file, json, commit::check)),
        ("states", "state", |file, json| run(file, json, state::check)),
        ("attachments", "attachment", |file, json| run(file, json, attachment::check)),
        ("kits", "recovery", |file, json| run(file, json, recovery::check)),
        ("story", "account", |file, json| run(file, json, account::check)),
        ("malformed", "malformed", |file, json| run(file, json, malformed::check)),
    ];
    match value {
        Value::Array(_) => Some(("record", |file, json| {
            run::<Vec<record::Answer>>(file, json, |records| record::check(records))
        })),
        Value::Object(members) => {
            let (_, format, check) = BY_MEMBER.iter().find(|(member, _, _)| members.contains_key(*member))?;
            Some((format, *check))
        }
        _ => None,
    }
}

fn run<T: DeserializeOwned>(
    file: &str,
    json: &str,
    check: fn(&T) -> Result<usize, Mismatch>,
) -> Result<usize, VectorError> {
    check(&parse(file, json)?).map_err(|at| VectorError::Wrong { file: file.to_owned(), at })
}

fn parse<T: DeserializeOwned>(file: &str, json: &str) -> Result<T, VectorError> {
    serde_json::from_str(json).map_err(|source| VectorError::Json { file: file.to_owned(), source })
}
