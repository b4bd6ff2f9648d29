//! `cargo xtask fuzz`: every decoder of untrusted bytes, given whatever libFuzzer makes up from the known answers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    process::{cache_folder, repository, run as run_command, say},
    tool::Tool,
};

const CARGO_FUZZ: Tool =
    Tool { name: "cargo-fuzz", subcommand: "fuzz", version: "0.13.2", unoptimised: true };

/// One for each file in `fuzz/targets`.
const TARGETS: [&str; 11] =
    ["record", "commit", "state", "keyset", "frames", "headers", "rows", "backup", "entry", "words", "json"];

/// More memory than any decoder may take for what is given to it.
const MEMORY_MIB: u32 = 512;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each decoder is tried
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this one
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let targets =
        TARGETS.into_iter().filter(|target| arguments.only.as_deref().is_none_or(|only| only == *target));
    for target in targets {
        let corpus = corpus(target)?;
        say(&format!("\n== {target}, {} s", arguments.seconds))?;
        run_command(&mut fuzz(target, &corpus, arguments.seconds)?)
            .with_context(|| format!("what was found lies in fuzz/artifacts/{target}"))?;
    }
    say("\nNo decoder did anything but take or refuse what it was given.")
}

/// Without a sanitizer, which needs another compiler: there is no unsafe code to watch over.
fn fuzz(target: &str, corpus: &Path, seconds: u64) -> anyhow::Result<Command> {
    let mut command = CARGO_FUZZ.command()?;
    command.args(["run", "--sanitizer", "none", "--release", target]).arg(corpus).arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.args([
        format!("-rss_limit_mb={MEMORY_MIB}"),
        "-max_len=65536".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    // Its own lock file counts, and its own folder for what it builds.
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_INCREMENTAL", "0");
    Ok(command)
}

/// What earlier runs have found worth keeping, and every known answer.
fn corpus(target: &str) -> anyhow::Result<PathBuf> {
    let corpus = cache_folder().join("fuzz").join(target);
    fs::create_dir_all(&corpus)?;
    for file in fs::read_dir(repository().join("spec/vectors"))? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a file without a name")?;
        let mut answers = Vec::new();
        collect(&serde_json::from_str(&text)?, &mut answers);
        for (number, answer) in answers.iter().enumerate() {
            fs::write(corpus.join(format!("{name}-{number}")), answer)?;
        }
    }
    Ok(corpus)
}

/// Every text, and the bytes of those that are hexadecimal.
fn collect(value: &Value, answers: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => answers.push(bytes_of(text).unwrap_or_else(|| text.clone().into_bytes())),
        Value::Array(values) => values.iter().for_each(|value| collect(value, answers)),
        Value::Object(members) => members.values().for_each(|value| collect(value, answers)),
        _ => {}
    }
}

fn bytes_of(hexadecimal: &str) -> Option<Vec<u8>> {
    let pairs = hexadecimal.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_run() {
        let files = fs::read_dir(repository().join("fuzz/targets")).expect("a folder");
        let mut names: Vec<_> =
            files.map(|file| file.expect("a file").path().file_stem().expect("a name").to_owned()).collect();
        names.sort();
        let mut targets = TARGETS;
        targets.sort_unstable();
        assert_eq!(names, targets);
    }

    #[test]
    fn answers_are_bytes_where_they_are_hexadecimal() {
        let mut answers = Vec::new();
        collect(&serde_json::json!({ "a": ["00ff", "words"], "b": 1 }), &mut answers);
        assert_eq!(answers, [vec![0, 255], b"words".to_vec()]);
    }
}
