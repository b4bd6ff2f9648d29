//! `cargo xtask server-binary`: is the server, built as it is shipped, small and without the client's local store?

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};

use crate::process::{cargo, output, run as run_command, say, target_folder};

/// Stripped.
const MOST_BYTES: u64 = 25 * 1024 * 1024;
const BYTES_PER_MIB: u64 = 1024 * 1024;

/// How the names of all functions begin that SQLCipher adds to SQLite.
const SQLCIPHER: &str = "sqlcipher_";
/// A function of every SQLite: if it is not found, neither would the others be.
const SQLITE: &str = "sqlite3_open_v2";

pub(crate) fn run() -> anyhow::Result<()> {
    // Alone: a build together with a client would give both the SQLite of the client.
    run_command(&mut cargo("build --locked --release --package etui-server"))?;
    let binary = target_folder()?.join("release/etui-server");
    check_symbols(&output(Command::new("nm").arg(&binary))?)
        .with_context(|| format!("looking into {}", binary.display()))?;
    check_size(&binary)
}

/// Symbols, not text: libraries that can speak to an encrypted store name its options without containing it.
pub(crate) fn check_symbols(listing: &str) -> anyhow::Result<()> {
    let mut names = listing.lines().filter_map(|line| line.split(' ').next_back());
    ensure!(names.clone().any(|name| name == SQLITE), "no SQLite found: this check sees nothing");
    if let Some(name) = names.find(|name| name.starts_with(SQLCIPHER)) {
        bail!("contains {name} of SQLCipher, which only clients need");
    }
    Ok(())
}

fn check_size(binary: &Path) -> anyhow::Result<()> {
    let stripped = binary.with_extension("stripped");
    run_command(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
    let bytes = fs::metadata(&stripped).with_context(|| format!("reading {}", stripped.display()))?.len();
    ensure!(bytes <= MOST_BYTES, "etui-server has {bytes} bytes, more than {MOST_BYTES}");
    say(&format!("etui-server has {} MiB stripped and no SQLCipher", bytes.div_ceil(BYTES_PER_MIB)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_store_is_found_by_its_functions() {
        let server = "00a1 T sqlite3_open_v2\n00b2 t read_sqlcipher_key\n                 U malloc\n";
        check_symbols(server).unwrap();
        let client = format!("{server}00c3 T sqlcipher_codec_ctx_init\n");
        assert!(check_symbols(&client).unwrap_err().to_string().contains("sqlcipher_codec_ctx_init"));
        assert!(check_symbols("00a1 T main\n").is_err(), "nothing of SQLite: the listing cannot be right");
    }
}
