//! What `signup`, `login` and `recovery use` ask for alike.

use std::path::PathBuf;

use clap::Args;
use etui_crypto::{
    LoginPassword, MasterPassword, check_login_choice, check_master_choice, check_password_reuse,
};

use crate::{
    agent::{
        self, Agent, convert,
        idle::{DEFAULT_MINUTES, MAX_MINUTES},
        platform,
        protocol::{Credentials, Request},
    },
    context::Context,
    failure::{Failure, Kind},
    prompt,
    secret::Secret,
    secret_input,
};

/// Who signs in where, with what.
#[derive(Debug, Args)]
pub(super) struct AccountArguments {
    /// The server's address
    #[arg(long, value_name = "URL", env = "ETUI_SERVER", hide_env = true)]
    pub(super) server: Option<String>,
    /// The account's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
    /// Read the login password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) login_password_file: Option<PathBuf>,
    /// Read the master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) master_password_file: Option<PathBuf>,
    /// What to call this device (default: the name of the machine)
    #[arg(long, value_name = "NAME")]
    pub(super) device_name: Option<String>,
    #[command(flatten)]
    pub(super) idle: IdleArguments,
}

/// How long the agent stays unlocked.
#[derive(Debug, Args)]
pub(super) struct IdleArguments {
    /// Lock after so many minutes without use [default: 15]
    #[arg(long, value_name = "MINUTES", env = "ETUI_IDLE_MINUTES", hide_env = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MINUTES)))]
    pub(super) idle_minutes: Option<u32>,
}

impl IdleArguments {
    pub(super) fn minutes(&self) -> u32 {
        self.idle_minutes.unwrap_or(DEFAULT_MINUTES)
    }
}

/// Whether a password is being chosen or only given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    New,
    Given,
}

impl AccountArguments {
    /// Everything that the agent needs, asked for where it was not given.
    pub(super) fn credentials(self, login: Choice, master: Choice) -> Result<Credentials, Failure> {
        let server = self.server.map_or_else(|| prompt::line("Server address"), Ok)?;
        let email = self.email.map_or_else(|| prompt::line("E-mail address"), Ok)?;
        let login_password = password(self.login_password_file.as_ref(), "login password", login, &[&email])?;
        if login == Choice::New {
            check_login(&login_password)?;
        }
        let master_password =
            password(self.master_password_file.as_ref(), "master password", master, &[&email])?;
        if master == Choice::New {
            check_new_master(&master_password, Some(&login_password), &[&email])?;
        }
        let device_name = self.device_name.unwrap_or_else(platform::host_name);
        Ok(Credentials { server, email, login_password, master_password, device_name })
    }
}

/// Reads a password; a new one that is typed is asked for twice.
pub(super) fn password(
    file: Option<&PathBuf>,
    what: &str,
    choice: Choice,
    related: &[&str],
) -> Result<Secret, Failure> {
    Ok(match (file, choice) {
        (None, Choice::New) => prompt::new_secret(what, related)?,
        (file, _) => secret_input::read(file.map(PathBuf::as_path), what)?,
    })
}

fn check_login(typed: &Secret) -> Result<(), Failure> {
    let password = LoginPassword::new(typed.expose()).map_err(|refused| convert::unassigned(&refused))?;
    check_login_choice(&password)
        .map_err(|fault| Failure::of(Kind::Usage, &fault).with_hint("choose a longer login password"))
}

/// Refuses a master password that would be guessed, or that tells the server about itself.
pub(super) fn check_new_master(
    typed: &Secret,
    login: Option<&Secret>,
    related: &[&str],
) -> Result<(), Failure> {
    let master = MasterPassword::new(typed.expose()).map_err(|refused| convert::unassigned(&refused))?;
    check_master_choice(&master, related).map_err(|fault| {
        Failure::of(Kind::Usage, &fault).with_hint("`etui generate --words 6` makes a good one")
    })?;
    if let Some(login) = login {
        let login = LoginPassword::new(login.expose()).map_err(|refused| convert::unassigned(&refused))?;
        check_password_reuse(&login, &master).map_err(|refused| {
            Failure::from(refused)
                .with_hint("choose a login password that says nothing of the master password")
        })?;
    }
    Ok(())
}

/// Starts an agent and gives it what it needs to unlock. If that fails, the agent ends and nothing is unlocked.
pub(super) fn open(context: &Context, idle: &IdleArguments, request: &Request) -> Result<Agent, Failure> {
    let mut agent = agent::client::start(&context.home, idle.minutes())?;
    if let Err(error) = agent.tell(request) {
        // The next command must not meet an agent that holds nothing and is about to end.
        let _ = agent.lock();
        return Err(error.into());
    }
    Ok(agent)
}
