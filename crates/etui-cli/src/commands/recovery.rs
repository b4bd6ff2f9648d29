//! `etui recovery`: the way back in without the master password.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use etui_chain::AccountId;
use etui_crypto::RecoveryKit;
use serde_json::json;

use super::{
    account::{self, Choice, EntryArguments},
    export::refuse_stdout,
};
use crate::{
    agent::{
        self, Agent, AgentError, platform,
        protocol::{Reply, Request, Status},
    },
    context::Context,
    failure::{Failure, Kind},
    recovery_page::Page,
    secret::Secret,
    secret_input,
};

/// Make, test or use a Recovery Kit
///
/// A kit opens the account without the master password. It counts once it was tested; a new one replaces the old.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  etui recovery create --to kit.html
  etui recovery test
  etui recovery use --server https://etui.example.org --email ada@example.org";

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a new kit: 24 words, and a page to print
    #[command(after_help = "Examples:\n  etui recovery create --to kit.html\n  etui recovery create --json")]
    Create {
        /// Write a page to print, readable by you alone; the words are then not shown here
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Open the account's keys with the kit, for real; from then on it counts
    #[command(after_help = "Examples:\n  etui recovery test\n  etui recovery test --kit-file words.txt")]
    Test {
        #[command(flatten)]
        kit: KitArguments,
    },
    /// Come back in with the kit and choose a new master password
    #[command(
        after_help = "Example:\n  etui recovery use --server https://etui.example.org --email ada@example.org --account 0123…"
    )]
    Use(Box<UseArguments>),
}

#[derive(Debug, Args)]
struct UseArguments {
    #[command(flatten)]
    kit: KitArguments,
    #[command(flatten)]
    entry: EntryArguments,
    /// The account id that is printed on the kit; not needed with the text of the code
    #[arg(long = "account", value_name = "ID")]
    account_id: Option<AccountId>,
}

#[derive(Debug, Args)]
struct KitArguments {
    /// Read the words, or the text of the code, from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    kit_file: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Create { to } => create(context, to.as_deref()),
        Action::Test { kit } => test(context, &kit),
        Action::Use(arguments) => use_kit(context, *arguments),
    }
}

fn create(context: &Context, to: Option<&Path>) -> Result<(), Failure> {
    to.map_or(Ok(()), refuse_stdout)?;
    let mut agent = context.agent()?;
    let Reply::Kit(code) = agent.ask(&Request::RecoveryCreate)? else {
        return Err(AgentError::OtherVersion.into());
    };
    let kit = RecoveryKit::from_qr_text(code.expose()).map_err(|error| Failure::of(Kind::Failed, &error))?;
    match to {
        Some(path) => write_page(context, &*status(&mut agent)?, &kit, path)?,
        None => print_words(context, &kit)?,
    }
    context.output.note("Next: `etui recovery test`. The kit counts once it was tested.");
    Ok(())
}

fn write_page(context: &Context, status: &Status, kit: &RecoveryKit, path: &Path) -> Result<(), Failure> {
    let page = Page { server: &status.server, email: &status.email, kit };
    let html = page.html().map_err(|error| Failure::of(Kind::Failed, &error))?;
    let mut file = platform::create_private_file(path).map_err(|error| {
        Failure::new(Kind::Failed, format!("writing {}: {error}", path.display()))
            .with_hint("choose a file that is not there yet")
    })?;
    file.write_all(html.expose().as_bytes())?;
    file.sync_all()?;
    context.output.document(&json!({ "account_id": kit.account_id, "written": path }))?;
    context.output.line(&format!("Written to {}. Print it, then delete the file.", path.display()))
}

fn print_words(context: &Context, kit: &RecoveryKit) -> Result<(), Failure> {
    let (words, second) = kit.to_words();
    if context.output.is_json() {
        return context.output.document(&json!({
            "account_id": kit.account_id,
            "words": words.as_str(),
            "second_words": second.as_ref().map(|words| words.as_str()),
            "code": kit.to_qr_text().as_str(),
        }));
    }
    context.output.line(&format!("Account {}", kit.account_id))?;
    print_numbered(context, &words)?;
    second.iter().try_for_each(|words| print_numbered(context, words))
}

/// Four columns of numbered words.
fn print_numbered(context: &Context, words: &str) -> Result<(), Failure> {
    let numbered: Vec<String> =
        (1..).zip(words.split_whitespace()).map(|(number, word)| format!("{number:2} {word}")).collect();
    let rows: Vec<[String; 4]> = numbered
        .chunks(4)
        .map(|row| std::array::from_fn(|column| row.get(column).cloned().unwrap_or_default()))
        .collect();
    context.output.table(&rows)
}

fn test(context: &Context, arguments: &KitArguments) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let account_id = status(&mut agent)?.account_id.parse().ok();
    let kit = read_kit(arguments, account_id)?;
    agent.tell(&Request::RecoveryTest { kit })?;
    context.output.document(&json!({ "tested": true }))?;
    context.output.line("The kit opens the account. It counts from now on; an older one does not.")
}

fn use_kit(context: &Context, arguments: UseArguments) -> Result<(), Failure> {
    let UseArguments { kit, entry, account_id } = arguments;
    if agent::client::connect(&context.home)?.is_some() {
        return Err(Failure::new(Kind::Usage, "using a Recovery Kit: this device is unlocked")
            .with_hint("`etui change-master-password` needs no kit"));
    }
    account::refuse_if_in_use(context)?;
    let idle = entry.account.idle;
    let entry = entry.read()?;
    let kit = read_kit(&kit, account_id)?;
    let credentials = entry.credentials(Choice::New)?;
    let email = credentials.email.clone();
    let unlocked = account::open(context, idle, Request::Recover { credentials, kit })?;
    context.output.document(&json!({ "email": email, "unlocked": true, "head": unlocked.head }))?;
    context
        .output
        .line(&format!("Welcome back, {email}. This device is unlocked with the new master password."))?;
    account::say_head(context, &unlocked.head)?;
    account::note_keyring(context, &unlocked);
    context
        .output
        .note("The kit keeps working. If it may have been seen, make a new one: `etui recovery create`.");
    Ok(())
}

fn status(agent: &mut Agent) -> Result<Box<Status>, Failure> {
    match agent.ask(&Request::Status)? {
        Reply::Status(status) => Ok(status),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

/// The kit as the text of its code, from that text or from the words.
fn read_kit(arguments: &KitArguments, account_id: Option<AccountId>) -> Result<Secret, Failure> {
    let given = secret_input::read(arguments.kit_file.as_deref(), "recovery Kit (words or code)")?;
    let kit = parse_kit(given.expose(), account_id)?;
    Ok(Secret::new(kit.to_qr_text().as_str()))
}

fn parse_kit(given: &str, account_id: Option<AccountId>) -> Result<RecoveryKit, Failure> {
    let misread = |error| Failure::of(Kind::Usage, &error);
    let given = given.trim();
    if !given.contains(char::is_whitespace) {
        return RecoveryKit::from_qr_text(given).map_err(misread);
    }
    let account_id = account_id.ok_or_else(|| {
        Failure::new(Kind::Usage, "reading a Recovery Kit: the words do not say which account")
            .with_hint("give `--account ID`, as it is printed on the kit")
    })?;
    let words: Vec<&str> = given.split_whitespace().collect();
    let (first, second) = words.split_at(words.len().min(WORDS));
    let joined = |words: &[&str]| zeroize::Zeroizing::new(words.join(" "));
    let second = (!second.is_empty()).then(|| joined(second));
    RecoveryKit::from_words(account_id, &joined(first), second.as_ref().map(|words| words.as_str()))
        .map_err(misread)
}

/// How many words stand for 32 bytes; a second secret follows as as many again.
const WORDS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn account_id() -> AccountId {
        "ab".repeat(16).parse().unwrap()
    }

    #[test]
    fn words_and_code_are_the_same_kit() {
        let words = format!("{}art", "abandon ".repeat(23));
        let one = parse_kit(&words, Some(account_id())).unwrap();
        let other = parse_kit(&one.to_qr_text(), None).unwrap();
        assert_eq!(one.to_qr_text(), other.to_qr_text());
        let twice = parse_kit(&format!("{words}\n{words}\n"), Some(account_id())).unwrap();
        assert!(twice.secret_key.is_some());
    }

    #[test]
    fn what_was_misread_is_wrong_usage() {
        let words = format!("{}art", "abandon ".repeat(23));
        assert_eq!(parse_kit(&words, None).unwrap_err().kind, Kind::Usage, "which account");
        for given in ["one two three", "ETUIKIT1:AAAA", ""] {
            assert_eq!(parse_kit(given, Some(account_id())).unwrap_err().kind, Kind::Usage, "{given:?}");
        }
    }
}
