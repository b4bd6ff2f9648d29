//! `cargo xtask server-binary`: is the server, built as it is shipped, small and without the client's local store?

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};

use crate::process::{cargo, run as run_command, say, target_folder};

/// Stripped.
const MOST_BYTES: u64 = 25 * 1024 * 1024;
const BYTES_PER_MIB: u64 = 1024 * 1024;

/// In the names of all functions that SQLCipher adds to SQLite.
const SQLCIPHER: &[u8] = b"sqlcipher_";
/// In every build of SQLite: if it is not found, neither would the other be.
const SQLITE: &[u8] = b"SQLite format 3";

pub(crate) fn run() -> anyhow::Result<()> {
    // Alone: a build together with a client would give both the SQLite of the client.
    run_command(&mut cargo("build --locked --release --package etui-server"))?;
    let binary = target_folder()?.join("release/etui-server");
    let bytes = fs::read(&binary).with_context(|| format!("reading {}", binary.display()))?;
    ensure!(contains(&bytes, SQLITE), "no SQLite found in {}: this check sees nothing", binary.display());
    ensure!(!contains(&bytes, SQLCIPHER), "{} contains SQLCipher, which only clients need", binary.display());
    check_size(&binary)
}

fn check_size(binary: &Path) -> anyhow::Result<()> {
    let stripped = binary.with_extension("stripped");
    run_command(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
    let bytes = fs::metadata(&stripped).with_context(|| format!("reading {}", stripped.display()))?.len();
    ensure!(bytes <= MOST_BYTES, "etui-server has {bytes} bytes, more than {MOST_BYTES}");
    say(&format!("etui-server has {} MiB stripped and no SQLCipher", bytes.div_ceil(BYTES_PER_MIB)))
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_wherever_it_stands() {
        assert!(contains(b"x sqlcipher_codec", SQLCIPHER) && contains(SQLCIPHER, SQLCIPHER));
        assert!(!contains(b"sqlite3_codec", SQLCIPHER) && !contains(b"", SQLCIPHER));
    }
}
