//! `etui signup`: a new account, and this folder its first device.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    account::{self, AccountArguments, Choice},
    kdf::KdfArguments,
    signing_in::{BrowserArguments, LoginPasswordArguments},
};
use crate::{
    agent::protocol::{Request, Way},
    context::Context,
    failure::Failure,
    secret_input,
};

/// Make a new account, and this device its first
///
/// You choose two passwords. The login password says to the server who you are. The master password opens your data, never
/// leaves your devices, and must say nothing of the other. If you lose it, only a Recovery Kit gets you back in: nobody else
/// can.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    #[command(flatten)]
    login_password: LoginPasswordArguments,
    #[command(flatten)]
    browser: BrowserArguments,
    #[command(flatten)]
    kdf: KdfArguments,
    /// Read the link of an invitation from a file (`-`: standard input), where the server takes nobody without one
    #[arg(long, value_name = "FILE")]
    invitation_file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  etui signup --server https://etui.example.org --email ada@example.org
  etui signup --browser --server https://etui.example.org --email ada@example.org
  etui signup --server http://localhost:8484 --email ada@example.org \\
       --login-password-file login.txt --master-password-file master.txt";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    account::refuse_if_in_use(context)?;
    context.output.note(
        "Whoever loses both the master password and the Recovery Kit loses the data: nobody can restore it.",
    );
    let idle = arguments.account.idle;
    let kdf = arguments.kdf.kdf;
    let invitation = arguments.invitation_file.as_deref().map(secret_input::from_file).transpose()?;
    let who = arguments.account.who()?;
    let way = match arguments.browser.way() {
        Some(way) => way,
        None => Way::LoginPassword(account::new_login_password(
            arguments.login_password.login_password_file.as_ref(),
            "login password",
            &[&who.email],
        )?),
    };
    let credentials = who.credentials(way, Choice::New)?;
    let email = credentials.email.clone();
    let unlocked = account::open(context, idle, Request::SignUp { credentials, kdf, invitation })?;
    context.output.document(&json!({ "email": email, "unlocked": true }))?;
    context.output.line(&format!("Signed up as {email}. This device is unlocked."))?;
    account::note_keyring(context, &unlocked);
    context.output.note("Next: `etui recovery create --to kit.html` makes the Recovery Kit.");
    Ok(())
}
