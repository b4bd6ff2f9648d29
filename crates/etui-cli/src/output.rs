//! What the person or the script reads: lines and tables, or JSON.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::{
    agent::platform,
    failure::{Failure, Kind},
};

/// The way to standard output and standard error.
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// Colour only on a terminal and without `NO_COLOR` (no-color.org).
    pub(crate) fn new(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, colour: !json && !unwanted && std::io::stderr().is_terminal() }
    }

    /// Whether `--json` was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody watches: progress bars and notes are for people.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// One line for people, nothing with `--json`. Control characters are replaced, so that no entry can steer the
    /// terminal.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Self::raw(&printable(text)) }
    }

    /// A value by itself and a newline, whatever it is made of.
    pub(crate) fn raw(text: &str) -> Result<(), Failure> {
        finish(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// A JSON document, with `--json` only.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        serde_json::to_writer(&mut stdout, value).map_err(|error| Failure::of(Kind::Failed, &error))?;
        finish(writeln!(stdout))
    }

    /// Aligned columns, for people. Columns are as wide as the terminal at most; the last one, which nothing is aligned
    /// after, is whole.
    pub(crate) fn table<const N: usize>(&self, rows: &[[String; N]]) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        for line in aligned(rows, platform::terminal_width().unwrap_or(WIDTH_WITHOUT_TERMINAL)) {
            finish(writeln!(stdout, "{line}"))?;
        }
        Ok(())
    }

    /// A remark on standard error, for people.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{}", printable(text));
        }
    }

    /// The failure of the command, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut stderr = std::io::stderr().lock();
        let _ = if self.json {
            writeln!(stderr, "{}", serde_json::json!({ "error": failure }))
        } else {
            stderr.write_all(self.explained(failure).as_bytes())
        };
    }

    fn explained(&self, failure: &Failure) -> String {
        let (red, plain) = if self.colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        let name = failure.refusal.as_deref().map(|name| format!("refused ({name}): ")).unwrap_or_default();
        let hint = failure.hint.as_deref().map(|hint| format!("  {}\n", printable(hint))).unwrap_or_default();
        format!("{red}etui:{plain} {name}{}\n{hint}", printable(&failure.message))
    }
}

/// A time for people, in UTC: the local offset cannot be had safely in every process.
pub(crate) fn time_text(unix_ms: u64) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    i64::try_from(unix_ms / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(FORMAT).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The text without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let is_obeyed = |letter: char| (letter.is_control() && letter != '\n') || is_bidi_control(letter);
    text.chars().map(|letter| if is_obeyed(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Whether it changes the direction of the text after it (Unicode, UAX #9): what is shown could be in another order than
/// what is there.
const fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How wide a column is at most where nothing else says so.
const WIDTH_WITHOUT_TERMINAL: usize = 60;

fn aligned<const N: usize>(rows: &[[String; N]], limit: usize) -> Vec<String> {
    let cell = |column: usize, cell: &String| {
        let cell = printable(cell).replace('\n', " ");
        if column + 1 < N { cut(cell, limit) } else { cell }
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().enumerate().map(|(column, text)| cell(column, text)).collect())
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].width()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    cells.iter().map(|row| padded(row, &widths).trim_end().to_owned()).collect()
}

/// What fits, with a mark where something was left out.
fn cut(cell: String, limit: usize) -> String {
    if cell.width() <= limit {
        return cell;
    }
    let mut fitting = String::new();
    for letter in cell.chars() {
        if fitting.width() + letter.width().unwrap_or_default() >= limit {
            break;
        }
        fitting.push(letter);
    }
    fitting.push('…');
    fitting
}

fn padded(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
    }
    line
}

/// A reader that has seen enough (`etui list | head`) is no failure.
fn finish(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let rows = [["Zoë", "x"], ["日本", "y"], ["a", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows, 60), ["Zoë   x", "日本  y", "a"]);
    }

    #[test]
    fn a_column_is_as_wide_as_the_terminal_at_most() {
        let rows = [["abcdef", "abcdef"], ["日本語", "y"], ["abcde", "z"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows, 5), ["abcd…  abcdef", "日本…  y", "abcde  z"]);
    }

    #[test]
    fn nothing_printed_can_steer_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\u{9b}c\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n");
        assert_eq!(printable("bank\u{202e}moc.live\u{2066}"), "bank\u{fffd}moc.live\u{fffd}");
    }

    #[test]
    fn a_failure_names_the_refusal_and_the_next_step() {
        let failure =
            Failure::from(etui_chain::Refusal::Fork.because("two successors")).with_hint("run `etui doctor`");
        let output = Output { json: false, colour: false };
        assert_eq!(output.explained(&failure), "etui: refused (fork): two successors\n  run `etui doctor`\n");
    }

    #[test]
    fn times_are_written_in_full() {
        assert_eq!(time_text(1_700_000_000_999), "2023-11-14 22:13:20 UTC");
        assert_eq!(time_text(u64::MAX), "unknown");
    }
}
