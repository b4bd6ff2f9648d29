//! By what a person says to the server who they are: a login password, a browser, a link; and the second factor after it.

use std::path::PathBuf;

use clap::Args;

use crate::{
    agent::protocol::Way,
    failure::{Failure, Kind},
    prompt,
    secret::Secret,
    secret_input,
};

/// Signing in to an account that there is.
#[derive(Debug, Default, Args)]
pub(super) struct SignInArguments {
    #[command(flatten)]
    login_password: LoginPasswordArguments,
    #[command(flatten)]
    browser: BrowserArguments,
    #[command(flatten)]
    link: LinkArguments,
    /// Read the code of the authenticator app, or a recovery code, from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    second_factor_file: Option<PathBuf>,
}

/// A login password.
#[derive(Debug, Default, Args)]
pub(super) struct LoginPasswordArguments {
    /// Read the login password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) login_password_file: Option<PathBuf>,
}

/// Signing in by a browser, in place of a login password.
#[derive(Debug, Default, Clone, Copy, Args)]
pub(super) struct BrowserArguments {
    /// By a browser on this computer, which opens: with a provider, a passkey, whatever the server offers there
    #[arg(long, conflicts_with_all = ["device_code", "login_password_file"])]
    browser: bool,
    /// By a browser anywhere: this shows the code to type there
    #[arg(long, conflicts_with = "login_password_file")]
    device_code: bool,
}

/// Signing in by a link, in place of a login password: to an account that there is already.
#[derive(Debug, Default, Args)]
struct LinkArguments {
    /// By mail: a letter to the account's address brings a line, to be pasted here
    #[arg(long, conflicts_with_all = ["browser", "device_code", "login_password_file", "link_file"])]
    link: bool,
    /// By the link in a file (`-`: standard input) that whoever runs the server has printed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["browser", "device_code", "login_password_file"])]
    link_file: Option<PathBuf>,
}

impl SignInArguments {
    /// The way that was asked for, if one was.
    pub(super) fn given(&self) -> Result<Option<Way>, Failure> {
        if let Some(way) = self.link.way()?.or_else(|| self.browser.way()) {
            return Ok(Some(way));
        }
        let file = self.login_password.login_password_file.as_deref();
        Ok(file.map(secret_input::from_file).transpose()?.map(Way::LoginPassword))
    }

    /// What is given; without it the person is asked, if the server is the first to ask.
    pub(super) fn second_factor(&self) -> Result<Option<Secret>, Failure> {
        Ok(self.second_factor_file.as_deref().map(secret_input::from_file).transpose()?)
    }
}

impl BrowserArguments {
    pub(super) const fn way(self) -> Option<Way> {
        match self {
            Self { browser: true, .. } => Some(Way::Browser),
            Self { device_code: true, .. } => Some(Way::DeviceCode),
            Self { .. } => None,
        }
    }
}

impl LinkArguments {
    /// A link, if one is to be used. A letter is sent only where somebody can paste what it brings.
    fn way(&self) -> Result<Option<Way>, Failure> {
        match &self.link_file {
            Some(file) => Ok(Some(Way::Link { printed: Some(secret_input::from_file(file)?) })),
            None if !self.link => Ok(None),
            None if prompt::somebody_is_there() => Ok(Some(Way::Link { printed: None })),
            None => Err(Failure::new(
                Kind::Usage,
                "signing in by a link: what the letter brings has to be pasted, and there is no terminal",
            )
            .with_hint(
                "run it in one; a link that whoever runs the server has printed can be given by --link-file",
            )),
        }
    }
}

/// The login password, asked for where no way was given.
pub(super) fn or_login_password(given: Option<Way>) -> Result<Way, Failure> {
    match given {
        Some(way) => Ok(way),
        None => Ok(Way::LoginPassword(secret_input::read(None, "login password")?)),
    }
}
