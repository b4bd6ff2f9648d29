//! Checking a file of everything that a server holds about an account (`spec/api.md`): whole, and as it was written.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use etui_chain::{Digest, Refusal, Refused};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::ClientError;

/// The longest line is a commit of the largest import.
const MAX_LINE_BYTES: u64 = 16 << 20;
const DAMAGED: Refused = Refusal::Format.because("the file of everything held is cut short or damaged");

/// What such a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataExportReport {
    /// Rows of tables.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct LastLine {
    end: End,
}

#[derive(Deserialize)]
struct End {
    lines: u64,
    sha256: String,
}

/// Reads a file whole: the last line has to say how many came before it, and their hash.
pub(crate) fn check(path: &Path) -> Result<DataExportReport, ClientError> {
    let failed = |source| ClientError::File { doing: format!("reading {}", path.display()), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let (mut hash, mut lines, mut bytes) = (Sha256::new(), 0, 0);
    let mut line = Vec::new();
    loop {
        let before = std::mem::take(&mut line);
        file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            let last: LastLine = serde_json::from_slice(&before).map_err(|_| DAMAGED)?;
            let is_whole = last.end.lines + 1 == lines
                && last.end.sha256 == Digest::new(hash.finalize().into()).to_string();
            // The head and the end are no rows.
            let report = DataExportReport { rows: lines.saturating_sub(2), bytes };
            return if is_whole { Ok(report) } else { Err(DAMAGED.into()) };
        }
        if line.last() != Some(&b'\n') {
            return Err(DAMAGED.into());
        }
        hash.update(&before);
        lines += 1;
        bytes += line.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let lines = "{\"etui_data\":1}\n{\"table\":\"account\",\"row\":{}}\n";
        let sha256 = Digest::of(&[lines.as_bytes()]);
        format!("{lines}{{\"end\":{{\"lines\":2,\"sha256\":\"{sha256}\"}}}}\n").into_bytes()
    }

    fn checked(content: &[u8]) -> Result<DataExportReport, ClientError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("everything.jsonl");
        std::fs::write(&path, content).unwrap();
        check(&path)
    }

    #[test]
    fn a_whole_file_is_told_from_every_shorter_or_other_one() {
        let whole = whole();
        assert_eq!(checked(&whole).unwrap(), DataExportReport { rows: 1, bytes: whole.len() as u64 });
        for length in 0..whole.len() {
            assert!(checked(&whole[..length]).is_err(), "cut after {length} bytes");
        }
        for place in 0..whole.len() {
            let mut other = whole.clone();
            other[place] ^= 1;
            let found = checked(&other);
            assert!(found.is_err(), "another byte at {place}");
        }
    }
}
