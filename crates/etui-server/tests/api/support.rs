//! A server in a folder of its own and a person with a device who signs by hand.

mod authenticator;
#[path = "../../../etui-testkit/src/backing.rs"]
mod backing;
mod browser;
mod database;
mod person;
mod server;

pub(crate) use authenticator::{Authenticator, Lie};
pub(crate) use browser::{Body, Seen, SentFrom, TestBrowser};
pub(crate) use person::{Person, body, commit_frames, object, put, record};
pub(crate) use server::{Answer, TestServer, client, frames_body, read, send};
