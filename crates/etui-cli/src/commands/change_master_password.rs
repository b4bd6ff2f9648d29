//! `etui change-master-password`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    account::{self, SecondFactorArguments},
    kdf::KdfArguments,
};
use crate::{agent::protocol::Request, context::Context, failure::Failure};

/// Choose a new master password
///
/// Re-seals one small record and no entry. An old copy of it can still be opened with the old password, by whoever has both.
/// The login password is asked for too: the two must not be alike, and the server must never see either.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Read the present master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<PathBuf>,
    /// Read the new master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Read the login password from a file, to make sure that the two are not alike (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    login_password_file: Option<PathBuf>,
    #[command(flatten)]
    second_factor: SecondFactorArguments,
    #[command(flatten)]
    kdf: KdfArguments,
}

const EXAMPLES: &str = "\
Examples:
  etui change-master-password
  etui change-master-password --kdf calibrate
  etui change-master-password --old-password-file old.txt --new-password-file new.txt \
       --login-password-file login.txt";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut agent = context.agent()?;
    let old = account::given_password(arguments.old_password_file.as_ref(), "present master password")?;
    let (file, what) = (arguments.new_password_file.as_ref(), "new master password");
    let new = account::new_password(file, what, &[], |new| account::check_new_master(new, None, &[]))?;
    let login = account::given_password(arguments.login_password_file.as_ref(), "login password")?;
    account::check_new_master(&new, Some(&login), &[])?;
    let kdf = arguments.kdf.kdf;
    let second_factor = arguments.second_factor.read()?;
    let mut request = Request::ChangeMasterPassword { old, new, login, second_factor, kdf };
    account::ask_person(&mut agent, &mut request)?;
    context.output.document(&json!({ "changed": true }))?;
    context.output.line(
        "The master password is changed. Your other devices learn of it when they sync; \
         one without a keyring asks for the old one once more.",
    )
}
