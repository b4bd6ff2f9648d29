//! `etui unlock`: start the agent with the master password.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::account::{self, IdleArguments};
use crate::{
    agent::{
        self, Agent, AgentError,
        protocol::{Reply, Request, StoreOpensWith},
    },
    context::Context,
    failure::{Failure, Kind},
    prompt, secret_input,
};

/// Unlock this device, offline too
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Read the master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    master_password_file: Option<PathBuf>,
    /// Read the master password used here before from a file; needed once after it was changed on another device
    #[arg(long, value_name = "FILE")]
    old_master_password_file: Option<PathBuf>,
    #[command(flatten)]
    idle: IdleArguments,
}

const EXAMPLES: &str = "\
Examples:
  etui unlock
  etui unlock --idle-minutes 60
  etui unlock --master-password-file - < master.txt";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    if let Some(agent) = unlocked_agent(context)? {
        return again(agent, arguments, context);
    }
    agent::client::require_device(&context.home).map_err(agent::convert::failure)?;
    let file = arguments.master_password_file.as_ref();
    let master_password = account::given_password(file, "master password")?;
    let former = arguments.old_master_password_file.as_deref().map(secret_input::from_file).transpose()?;
    let unlocked = account::open(context, arguments.idle, Request::Unlock { master_password, former })?;
    report(context, "This device is unlocked.")?;
    if unlocked.store_opens_with == StoreOpensWith::FormerMasterPassword {
        context.output.note(CHANGED_ELSEWHERE);
    }
    Ok(())
}

/// On a device that is unlocked: a master password that is given is checked, and a new one is taken up.
fn again(mut agent: Agent, arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let master_password = match &arguments.master_password_file {
        Some(file) => Some(secret_input::from_file(file)?),
        None if opens_with_former(&mut agent)? => prompt::secret_of_person("master password"),
        None => None,
    };
    let mut still_former = false;
    if let Some(master_password) = master_password {
        let request = Request::Unlock { master_password, former: None };
        let unlocked = account::open_again(agent, arguments.idle, request)?;
        still_former = unlocked.store_opens_with == StoreOpensWith::FormerMasterPassword;
    } else if let Some(minutes) = arguments.idle.idle_minutes {
        agent.tell(&Request::StayUnlocked { minutes })?;
    }
    report(context, "This device is already unlocked.")?;
    if still_former {
        context.output.note(CHANGED_ELSEWHERE);
    }
    Ok(())
}

fn opens_with_former(agent: &mut Agent) -> Result<bool, Failure> {
    match agent.ask(&Request::Status)? {
        Reply::Status(status) => Ok(status.store_opens_with == StoreOpensWith::FormerMasterPassword),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

/// What to tell who opens a device with a master password that the account does not have any more.
pub(super) const CHANGED_ELSEWHERE: &str = "The master password was changed on another device; this one still opens with the one before. \
     `etui unlock` takes the new one; where this device is locked, it asks for the one before once.";

/// An agent that holds keys; one that does not is about to end, or about to get them from another `unlock`.
pub(super) fn unlocked_agent(context: &Context) -> Result<Option<Agent>, Failure> {
    let Some(mut agent) = agent::client::connect(&context.home)? else { return Ok(None) };
    match agent.ask(&Request::Status) {
        Ok(_) => Ok(Some(agent)),
        Err(AgentError::Ended) => Ok(None),
        Err(AgentError::Failed(failure)) if failure.kind == Kind::Locked => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn report(context: &Context, sentence: &str) -> Result<(), Failure> {
    context.output.document(&json!({ "unlocked": true }))?;
    context.output.line(sentence)
}
