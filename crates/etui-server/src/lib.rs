//! The server: accounts, sessions, and the sealed and signed bytes that devices bring.
//!
//! It checks every signature and every rule that needs no key, and can read nothing: no crate that seals or opens a
//! record is among its dependencies. Requests come in through [`mod@serve`]; each operation is one file below
//! `routes`; everything kept goes through `etui-store`.

mod access;
pub mod admin;
mod answers;
mod app;
mod audit_log;
mod body;
pub mod client_address;
mod clock;
pub mod config;
mod cookies;
mod credentials;
mod device_code;
mod document;
mod durable;
mod email_change;
mod envelope;
mod handler;
pub mod health;
mod host;
mod invitations;
mod jobs;
mod keeping;
mod let_in;
mod limits;
mod links;
pub mod log;
pub mod login;
pub mod mail;
mod mailed;
pub mod maintenance;
mod metrics;
mod newcomer;
pub mod one_time;
mod pages;
mod parameters;
mod passkeys;
pub mod problem;
mod provider;
mod recovery_codes;
pub mod refresh_token;
mod refusals;
pub mod retention;
mod routes;
mod sealing;
mod second_factor;
pub mod serve;
pub mod settings;
mod shutdown;
mod sign_in;
pub mod telemetry;
pub mod token_keys;
pub mod tokens;
mod totp;
mod uploads;
mod user_code;

pub use document::json as openapi_json;
pub use pages::asked_for as pages_and_forms;
