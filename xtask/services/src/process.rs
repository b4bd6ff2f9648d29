//! Running other programs, and saying in one sentence what did not work.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, bail};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies in the repository")
}

/// Where everything lies that is fetched once: `ETUI_CACHE`, or `.cache` in the repository.
pub fn cache_folder() -> PathBuf {
    env::var_os("ETUI_CACHE").map_or_else(|| repository().join(".cache"), PathBuf::from)
}

/// Runs to the end, output shown; anything but success is an error that names the command.
///
/// # Errors
/// The command cannot be started or fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs to the end and gives what was printed on standard output.
///
/// # Errors
/// The command cannot be started or fails, with the last line that it said.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("starting `{}`", line(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", line(command), last_words(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command can be started and succeeds; shows nothing.
pub fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Tells the person something, between the output of other programs.
///
/// # Errors
/// Standard output cannot be written.
pub fn say(words: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{words}")?;
    out.flush()?;
    Ok(())
}

fn last_words(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
