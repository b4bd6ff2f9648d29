//! Where secrets come from: a file, standard input or a prompt, and never an argument.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use zeroize::Zeroizing;

use crate::{
    failure::{Failure, Kind},
    prompt,
    secret::Secret,
};

/// The most bytes that a secret may have: as much as one entry.
pub(crate) const MAX_SECRET_BYTES: usize = 1024 * 1024;

/// The most bytes that a file of many entries may have.
const MAX_FILE_BYTES: usize = 256 * 1024 * 1024;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file is not there or not readable.
    #[error("reading {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Standard input broke off.
    #[error("reading standard input")]
    Stdin(#[source] std::io::Error),
    /// Two options want standard input.
    #[error("reading standard input: only one option can be `-`")]
    StdinTwice,
    /// More than it may be.
    #[error("reading a secret: it is longer than {limit} bytes")]
    TooLong {
        /// The most bytes.
        limit: usize,
    },
    /// Not text.
    #[error("reading a secret: it is not UTF-8")]
    NotText,
    /// Nothing, as when the command before a pipe failed.
    #[error("reading a secret: it is empty")]
    Empty,
    /// A prompt without a terminal.
    #[error("asking for the {what}: there is no terminal")]
    NoTerminal {
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The two inputs of one new password differ.
    #[error("asking for the {what} twice: the two differ")]
    Differ {
        /// What was asked for.
        what: String,
    },
}

/// Reads a secret from a file (`-`: standard input), or asks for it where no file is given.
pub(crate) fn read(file: Option<&Path>, what: &str) -> Result<Secret, InputError> {
    match file {
        Some(path) => from_file(path),
        None => something(prompt::secret(what)?),
    }
}

/// Reads a secret from a file, `-` being standard input. One trailing newline is not part of it.
pub(crate) fn from_file(path: &Path) -> Result<Secret, InputError> {
    something(text_of_file(path, MAX_SECRET_BYTES)?)
}

/// Reads a file that holds many secrets, `-` being standard input.
pub(crate) fn whole_file(path: &Path) -> Result<Secret, InputError> {
    text_of_file(path, MAX_FILE_BYTES)
}

/// An empty secret is a mistake, and taken for one it would replace what is there.
fn something(secret: Secret) -> Result<Secret, InputError> {
    if secret.expose().is_empty() { Err(InputError::Empty) } else { Ok(secret) }
}

fn text_of_file(path: &Path, limit: usize) -> Result<Secret, InputError> {
    if path.as_os_str() == "-" {
        claim_stdin()?;
        return text_of(std::io::stdin().lock(), MAX_SECRET_BYTES, limit, InputError::Stdin);
    }
    let failed = |source| InputError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let expected = usize::try_from(length).unwrap_or(limit).min(limit);
    text_of(file, expected, limit, failed)
}

/// A second reader would get nothing and take it for an empty secret.
fn claim_stdin() -> Result<(), InputError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) { Err(InputError::StdinTwice) } else { Ok(()) }
}

fn text_of(
    reader: impl Read,
    expected: usize,
    limit: usize,
    failed: impl FnOnce(std::io::Error) -> InputError,
) -> Result<Secret, InputError> {
    // Reserved beforehand, with room to find the end, as a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 64));
    reader.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(InputError::TooLong { limit });
    }
    Secret::from_utf8(without_newline(&bytes)).ok_or(InputError::NotText)
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    let stripped = bytes.strip_suffix(b"\n");
    stripped.map_or(bytes, |rest| rest.strip_suffix(b"\r").unwrap_or(rest))
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let failure = Self::of(Kind::Usage, &error);
        match error {
            InputError::NoTerminal { .. } => failure.with_hint("give it by a file or `-` for standard input"),
            InputError::Empty => {
                failure.with_hint("nothing was changed; `etui edit ENTRY --clear FIELD` empties a field")
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<String, InputError> {
        text_of(bytes, bytes.len(), MAX_SECRET_BYTES, InputError::Stdin)
            .map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn one_trailing_newline_is_not_part_of_a_secret() {
        for (bytes, secret) in [
            ("pass", "pass"),
            ("pass\n", "pass"),
            ("pass\r\n", "pass"),
            ("pass\n\n", "pass\n"),
            ("pass\r", "pass\r"),
            (" pass \n", " pass "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(read_bytes(bytes.as_bytes()).unwrap(), secret, "{bytes:?}");
        }
    }

    #[test]
    fn a_secret_is_text_of_bounded_length() {
        assert!(matches!(read_bytes(b"\xff"), Err(InputError::NotText)));
        assert!(read_bytes(&vec![b'a'; MAX_SECRET_BYTES]).is_ok());
        assert!(matches!(read_bytes(&vec![b'a'; MAX_SECRET_BYTES + 1]), Err(InputError::TooLong { .. })));
    }

    #[test]
    fn an_empty_secret_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for text in ["", "\n", "\r\n"] {
            std::fs::write(&file, text).unwrap();
            assert!(matches!(from_file(&file), Err(InputError::Empty)), "{text:?}");
        }
        let failure = Failure::from(from_file(&file).unwrap_err());
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Usage, "reading a secret: it is empty"));
        assert!(failure.hint.is_some_and(|hint| hint.contains("--clear")));
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = Failure::from(from_file(Path::new("/nowhere/at/all")).unwrap_err());
        assert_eq!(failure.kind, Kind::Usage);
        assert!(failure.message.contains("/nowhere/at/all"), "{}", failure.message);
    }
}
