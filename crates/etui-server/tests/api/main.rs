//! The server over real HTTP, with commits and states signed by hand.

mod accounts;
mod administration;
mod approval;
mod browsers;
mod budget;
mod document;
mod equal_work;
mod errors;
mod events;
mod letters;
mod limits;
mod matrix;
mod metrics;
mod monitoring;
mod passkeys;
mod plans;
mod privacy;
mod process;
mod programs;
mod providers;
#[cfg(feature = "services-tests")]
mod real_browser;
#[cfg(feature = "services-tests")]
mod schemathesis;
mod second_factor;
mod sessions;
mod states;
mod support;
mod tokens;
mod traces;
mod vaults;
mod ways;
