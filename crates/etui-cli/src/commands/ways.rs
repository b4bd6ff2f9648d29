//! `etui account`: the ways to sign in to the account, and what else signing in asks for.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use etui_client::{Passkey, Ways};
use serde_json::json;

use super::{
    account::{self, given_password, new_login_password},
    email, own_account,
    signing_in::SignInArguments,
};
use crate::{
    agent::{
        AgentError,
        protocol::{AccountRequest, FreshSignIn, Reply, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    output::time_text,
    prompt,
    secret::Secret,
    secret_input,
};

/// How the account is signed in to and what was done with it; taking it along, deleting it
///
/// Signing in says to the server who you are; it never unlocks anything. Whoever changes a way has signed in a moment ago, and
/// all other devices are signed out: they keep what they have, and sign in again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  etui account ways
  etui account email change ada@new.example.org
  etui account login-password change
  etui account totp on
  etui account recovery-codes
  etui account passkeys rename 3f9a 'Key ring'
  etui account approval on
  etui account events
  etui account download --to everything.jsonl";

#[derive(Debug, Subcommand)]
enum Action {
    /// List every way to sign in
    #[command(after_help = "Examples:\n  etui account ways\n  etui account ways --json")]
    Ways,
    /// Open the account on the server's own page, to make a passkey there
    ///
    /// The address that is printed opens it once, for whoever has it.
    #[command(after_help = "Examples:\n  etui account open\n  etui account open --json")]
    Open(Fresh),
    /// Show the address that names the account, or change it
    Email(email::Arguments),
    /// Change the login password, or do without one
    LoginPassword(LoginPassword),
    /// Ask for a code of an authenticator app when signing in, or do not
    Totp(Totp),
    /// Make new codes for when the authenticator app is lost
    ///
    /// Those from before are dead. Each works once, and they are never shown again.
    #[command(after_help = "Examples:\n  etui account recovery-codes\n  etui account recovery-codes --json")]
    RecoveryCodes(Fresh),
    /// List passkeys, rename or remove one; `etui account open` makes one in a browser
    Passkeys(Passkeys),
    /// Whether a device that signs in for the first time waits until another one approves it
    Approval(Switch),
    /// Whether a link by mail signs in
    Links(Switch),
    /// Show what was done with the account, newest first
    #[command(after_help = "Examples:\n  etui account events\n  etui account events --most 1000 --json")]
    Events {
        /// Show at most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        most: usize,
    },
    /// Fetch everything that the server holds about the account, as one file
    ///
    /// JSON, an object a line: rows as they are, states, commits and records as they were signed and sealed. It is read back
    /// before it has its name; one that is there is not replaced.
    #[command(
        after_help = "Examples:\n  etui account download --to everything.jsonl\n  etui account download --to everything.jsonl --browser"
    )]
    Download {
        /// Where to
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Have the server delete the account and everything of it
    ///
    /// All other devices are signed out. Until the day that is said the account can be kept; then it is gone for good. What is
    /// on this device stays until `etui logout`.
    #[command(
        after_help = "Examples:\n  etui account delete\n  etui account delete --yes --login-password-file login.txt"
    )]
    Delete {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Keep an account that was deleted, while it is still there
    #[command(after_help = "Example:\n  etui account keep")]
    Keep,
}

/// Signing in once more, where the session is too old for a change.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Signing in once more, if that was more than ten minutes ago")]
pub(super) struct Fresh {
    #[command(flatten)]
    sign_in: SignInArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui account approval on\n  etui account links off")]
struct Switch {
    /// What it is to be
    #[arg(value_name = "on|off", value_enum)]
    to: OnOff,
    #[command(flatten)]
    fresh: Fresh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui account login-password change\n  etui account login-password remove"
)]
struct LoginPassword {
    #[command(subcommand)]
    action: LoginPasswordAction,
}

#[derive(Debug, Subcommand)]
enum LoginPasswordAction {
    /// Choose a new login password
    ///
    /// The master password is asked for too: the two must not be alike. Neither is sent.
    #[command(
        after_help = "Examples:\n  etui account login-password change\n  etui account login-password change \
        --new-password-file new.txt --master-password-file master.txt --login-password-file old.txt"
    )]
    Change {
        /// Read the new login password from a file (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// Read the master password from a file, to make sure that the two are not alike (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        master_password_file: Option<PathBuf>,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Sign in by other ways alone
    #[command(after_help = "Example:\n  etui account login-password remove")]
    Remove(Fresh),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui account totp on\n  etui account totp off")]
struct Totp {
    #[command(subcommand)]
    action: TotpAction,
}

#[derive(Debug, Subcommand)]
enum TotpAction {
    /// Set an authenticator app up
    ///
    /// Shows what the app takes in, asks for the code that it then shows, and gives ten codes for when it is lost.
    #[command(after_help = "Examples:\n  etui account totp on\n  etui account totp on --json   \
        (then `etui account totp confirm`)")]
    On(Fresh),
    /// Confirm what `on --json` began, in a script
    #[command(
        after_help = "Example:\n  etui account totp confirm --ticket-file ticket.txt --code-file code.txt"
    )]
    Confirm {
        /// Read the ticket from a file (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        ticket_file: PathBuf,
        /// Read the code that the app shows from a file (`-`: standard input)
        #[arg(long, value_name = "FILE")]
        code_file: PathBuf,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Ask for no code any more
    #[command(after_help = "Example:\n  etui account totp off")]
    Off(Fresh),
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  etui account passkeys\n  etui account passkeys rename 3f9a 'Key ring'\n  \
        etui account passkeys remove 3f9a"
)]
struct Passkeys {
    #[command(subcommand)]
    action: Option<PasskeyAction>,
}

#[derive(Debug, Subcommand)]
enum PasskeyAction {
    /// Call a passkey something else
    #[command(after_help = "Example:\n  etui account passkeys rename 3f9a 'Key ring'")]
    Rename {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        passkey: String,
        /// Its new name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        fresh: Fresh,
    },
    /// Remove a passkey: it signs in no more
    #[command(after_help = "Example:\n  etui account passkeys remove 3f9a --yes")]
    Remove {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        passkey: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        fresh: Fresh,
    },
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Ways => list(context),
        Action::Open(fresh) => open(context, &fresh),
        Action::Email(arguments) => email::run(arguments, context),
        Action::LoginPassword(LoginPassword { action }) => login_password(context, action),
        Action::Totp(Totp { action }) => totp(context, action),
        Action::RecoveryCodes(fresh) => {
            let codes = recovery_codes(context, AccountRequest::ReplaceRecoveryCodes, &fresh)?;
            show_codes(context, &codes)
        }
        Action::Passkeys(Passkeys { action }) => passkeys(context, action),
        Action::Approval(Switch { to, fresh }) => {
            let on = to == OnOff::On;
            change(context, AccountRequest::SwitchApproval { on }, &fresh)?;
            context.output.document(&json!({ "approve_devices": on }))?;
            context.output.line(if on {
                "A new device waits from now on until one that is signed in approves it. Have a second factor or a passkey, too: \
                 with it you can sign lost devices out on the server's page /account."
            } else {
                "A new device needs no approval any more."
            })
        }
        Action::Events { most } => own_account::events(context, most),
        Action::Download { to, fresh } => own_account::download(context, &to, &fresh),
        Action::Delete { yes, fresh } => own_account::delete(context, yes, &fresh),
        Action::Keep => own_account::keep(context),
        Action::Links(Switch { to, fresh }) => {
            let on = to == OnOff::On;
            change(context, AccountRequest::SwitchLinks { on }, &fresh)?;
            context.output.document(&json!({ "links": on }))?;
            context.output.line(if on {
                "A link by mail signs in."
            } else {
                "No link by mail signs in any more."
            })
        }
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let ways = ways(context)?;
    context.output.document(&ways)?;
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ["E-mail address".to_owned(), ways.email.clone()],
        ["Login password".to_owned(), yes_or_no(ways.login_password)],
        ["Links by mail".to_owned(), yes_or_no(ways.links)],
    ];
    rows.extend(
        ways.identities.iter().map(|it| ["Provider".to_owned(), format!("{} at {}", it.subject, it.issuer)]),
    );
    rows.extend(ways.passkeys.iter().map(|passkey| ["Passkey".to_owned(), described(passkey)]));
    let codes = format!("yes, {} recovery codes left", ways.recovery_codes);
    rows.push(["Authenticator app".to_owned(), if ways.totp { codes } else { yes_or_no(false) }]);
    rows.push(["New devices are approved".to_owned(), yes_or_no(ways.approve_devices)]);
    context.output.table(&rows)
}

fn open(context: &Context, fresh: &Fresh) -> Result<(), Failure> {
    let Reply::HandedOver { url, expires_in_s } = ask(context, AccountRequest::HandOver, fresh)? else {
        return Err(AgentError::OtherVersion.into());
    };
    context.output.document(&json!({ "url": url.expose(), "expires_in_s": expires_in_s }))?;
    context.output.note(&format!("Open this in a browser within {expires_in_s} seconds; it opens once:"));
    context.output.line(url.expose())
}

fn login_password(context: &Context, action: LoginPasswordAction) -> Result<(), Failure> {
    match action {
        LoginPasswordAction::Change { new_password_file, master_password_file, fresh } => {
            let new = new_login_password(new_password_file.as_ref(), "new login password", &[])?;
            let master = given_password(master_password_file.as_ref(), "master password")?;
            change(context, AccountRequest::ChangeLoginPassword { master, new }, &fresh)?;
            context.output.document(&json!({ "changed": true }))?;
            context.output.line("The login password is changed. All other devices are signed out.")
        }
        LoginPasswordAction::Remove(fresh) => {
            change(context, AccountRequest::RemoveLoginPassword, &fresh)?;
            context.output.document(&json!({ "removed": true }))?;
            context.output.line("There is no login password any more. All other devices are signed out.")
        }
    }
}

fn totp(context: &Context, action: TotpAction) -> Result<(), Failure> {
    match action {
        TotpAction::On(fresh) => set_up(context, &fresh),
        TotpAction::Confirm { ticket_file, code_file, fresh } => {
            let (ticket, code) =
                (secret_input::from_file(&ticket_file)?, secret_input::from_file(&code_file)?);
            confirm(context, ticket, code, &fresh)
        }
        TotpAction::Off(fresh) => {
            change(context, AccountRequest::RemoveTotp, &fresh)?;
            context.output.document(&json!({ "totp": false }))?;
            context.output.line("Signing in asks for no code any more. All other devices are signed out.")
        }
    }
}

fn set_up(context: &Context, fresh: &Fresh) -> Result<(), Failure> {
    if !context.output.is_json() && !prompt::somebody_is_there() {
        return Err(Failure::new(
            Kind::Usage,
            "setting an authenticator app up: there is no terminal to type its code at",
        )
        .with_hint("`etui account totp on --json` gives what `etui account totp confirm` takes"));
    }
    let Reply::TotpSetup { ticket, url, secret } = ask(context, AccountRequest::BeginTotp, fresh)? else {
        return Err(AgentError::OtherVersion.into());
    };
    if context.output.is_json() {
        return context
            .output
            .document(&json!({ "ticket": ticket.expose(), "url": url.expose(), "secret": secret.expose() }));
    }
    context
        .output
        .line("Put this into your authenticator app; not into this vault alone, which it guards:")?;
    context.output.line(&format!("  secret  {}", secret.expose()))?;
    context.output.line(&format!("  address {}", url.expose()))?;
    let code = prompt::line("code that it shows now")?;
    // Whoever set it up has signed in for that, and what was given has been read.
    confirm(context, ticket, Secret::new(code), &Fresh::default())
}

fn confirm(context: &Context, ticket: Secret, code: Secret, fresh: &Fresh) -> Result<(), Failure> {
    let codes = recovery_codes(context, AccountRequest::ConfirmTotp { ticket, code }, fresh)?;
    context
        .output
        .line("From now on signing in asks for a code of the app. All other devices are signed out.")?;
    show_codes(context, &codes)
}

fn recovery_codes(context: &Context, asked: AccountRequest, fresh: &Fresh) -> Result<Vec<Secret>, Failure> {
    match ask(context, asked, fresh)? {
        Reply::RecoveryCodes(codes) => Ok(codes),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

fn show_codes(context: &Context, codes: &[Secret]) -> Result<(), Failure> {
    let shown: Vec<&str> = codes.iter().map(Secret::expose).collect();
    context.output.document(&json!({ "recovery_codes": shown }))?;
    context
        .output
        .line("Print these and keep them where the app is not. Each signs in once in its place:")?;
    shown.iter().try_for_each(|code| context.output.line(&format!("  {code}")))
}

fn passkeys(context: &Context, action: Option<PasskeyAction>) -> Result<(), Failure> {
    let passkeys = ways(context)?.passkeys;
    match action {
        None => {
            context.output.document(&passkeys)?;
            if passkeys.is_empty() {
                return context
                    .output
                    .line("There is no passkey. `etui account open` makes one in a browser.");
            }
            let row = |passkey: &Passkey| [passkey.id[..8].to_owned(), described(passkey)];
            context.output.table(&passkeys.iter().map(row).collect::<Vec<_>>())
        }
        Some(PasskeyAction::Rename { passkey, name, fresh }) => {
            let Passkey { id, .. } = find(passkeys, &passkey)?;
            let asked = AccountRequest::RenamePasskey { id: id.clone(), name: name.clone() };
            change(context, asked, &fresh)?;
            context.output.document(&json!({ "id": id, "name": name }))?;
            context.output.line(&format!("The passkey is now called {name}."))
        }
        Some(PasskeyAction::Remove { passkey, yes, fresh }) => {
            let Passkey { id, name, .. } = find(passkeys, &passkey)?;
            if !yes && !prompt::confirm(&format!("Remove the passkey {name}?")) {
                return Err(Failure::new(Kind::Usage, "removing a passkey: not confirmed")
                    .with_hint("give `--yes` to go ahead"));
            }
            change(context, AccountRequest::RemovePasskey { id: id.clone() }, &fresh)?;
            context.output.document(&json!({ "id": id, "removed": true }))?;
            context.output.line(&format!("{name} signs in no more. All other devices are signed out."))
        }
    }
}

pub(super) fn ways(context: &Context) -> Result<Ways, Failure> {
    match ask(context, AccountRequest::Ways, &Fresh::default())? {
        Reply::Ways(ways) => Ok(*ways),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

fn described(passkey: &Passkey) -> String {
    let used =
        passkey.used_ms.map_or_else(|| "never used".to_owned(), |it| format!("last used {}", time_text(it)));
    format!("{}, {used}", passkey.name)
}

/// The one passkey whose id begins so.
fn find(passkeys: Vec<Passkey>, prefix: &str) -> Result<Passkey, Failure> {
    let mut hits = passkeys.into_iter().filter(|passkey| passkey.id.starts_with(prefix));
    match (hits.next(), hits.next()) {
        (Some(passkey), None) => Ok(passkey),
        (None, _) => Err(Failure::new(Kind::NotFound, "naming a passkey: none has that id")
            .with_hint("run `etui account passkeys`")),
        (Some(_), Some(_)) => Err(Failure::new(Kind::Usage, "naming a passkey: several ids begin so")
            .with_hint("give more of its id")),
    }
}

pub(super) fn change(context: &Context, asked: AccountRequest, fresh: &Fresh) -> Result<(), Failure> {
    match ask(context, asked, fresh)? {
        Reply::Done => Ok(()),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

/// Asks the agent; where the session is too old it signs in with what is given, or what the person is asked for.
pub(super) fn ask(context: &Context, asked: AccountRequest, fresh: &Fresh) -> Result<Reply, Failure> {
    let mut request = Request::Account { asked, fresh: fresh.read()? };
    account::ask_person(&mut context.agent()?, &mut request)
}

impl Fresh {
    pub(super) fn read(&self) -> Result<FreshSignIn, Failure> {
        Ok(FreshSignIn { way: self.sign_in.given()?, second_factor: self.sign_in.second_factor()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_must_name_one_passkey() {
        let passkey =
            |id: &str| Passkey { id: id.to_owned(), name: "key".to_owned(), created_ms: 0, used_ms: None };
        let passkeys = || vec![passkey("3f9a"), passkey("3f00"), passkey("77")];
        assert_eq!(find(passkeys(), "3f9").unwrap().id, "3f9a");
        assert_eq!(find(passkeys(), "3f").unwrap_err().kind, Kind::Usage);
        assert_eq!(find(passkeys(), "9").unwrap_err().kind, Kind::NotFound);
    }
}
