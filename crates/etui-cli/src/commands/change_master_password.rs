//! `etui change-master-password`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    account,
    kdf::KdfArguments,
    signing_in::{self, SignInArguments},
    ways,
};
use crate::{
    agent::protocol::{Request, Way},
    context::Context,
    failure::{Failure, Kind},
};

/// Choose a new master password
///
/// Re-seals one small record and no entry. An old copy of it can still be opened with the old password, by whoever has both.
/// The login password is asked for too: the two must not be alike, and the server must never see either. An account without one is
/// signed in to by a browser or a link.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Read the present master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<PathBuf>,
    /// Read the new master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    #[command(flatten)]
    kdf: KdfArguments,
    #[command(flatten)]
    sign_in: SignInArguments,
}

const EXAMPLES: &str = "\
Examples:
  etui change-master-password
  etui change-master-password --kdf calibrate
  etui change-master-password --old-password-file old.txt --new-password-file new.txt \\
       --login-password-file login.txt
  etui change-master-password --browser";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let old = account::given_password(arguments.old_password_file.as_ref(), "present master password")?;
    let (file, what) = (arguments.new_password_file.as_ref(), "new master password");
    let new = account::new_password(file, what, &[], |new| account::check_new_master(new, None, &[]))?;
    let way = way(context, &arguments.sign_in)?;
    account::check_new_master(&new, way.login_password(), &[])?;
    let kdf = arguments.kdf.kdf;
    let second_factor = arguments.sign_in.second_factor()?;
    let mut request = Request::ChangeMasterPassword { old, new, way, second_factor, kdf };
    account::ask_person(&mut agent, &mut request)?;
    context.output.document(&json!({ "changed": true }))?;
    context.output.line(
        "The master password is changed. Your other devices learn of it when they sync; \
         one without a keyring asks for the old one once more.",
    )
}

/// The login password where there is one: only it can be held against the new master password.
fn way(context: &Context, sign_in: &SignInArguments) -> Result<Way, Failure> {
    let given = sign_in.given()?;
    if given.is_none() && !ways::ways(context)?.login_password {
        return Err(Failure::new(
            Kind::Usage,
            "changing the master password: this account has no login password",
        )
        .with_hint("nothing was changed; sign in by --browser, --device-code or --link"));
    }
    signing_in::or_login_password(given)
}
