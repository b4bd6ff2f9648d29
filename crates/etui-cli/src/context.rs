//! What every command works with.

use crate::{agent, agent::Agent, failure::Failure, home::HomeFolder, output::Output};

/// The device's folder and the way to the person.
pub(crate) struct Context {
    pub(crate) home: HomeFolder,
    pub(crate) output: Output,
}

impl Context {
    /// Finds the device's folder; reads nothing in it.
    pub(crate) fn new(json: bool) -> Result<Self, Failure> {
        Ok(Self { home: HomeFolder::from_environment()?, output: Output::new(json) })
    }

    /// The agent, which must be unlocked.
    pub(crate) fn agent(&self) -> Result<Agent, Failure> {
        Ok(agent::client::require(&self.home)?)
    }
}
