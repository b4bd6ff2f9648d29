//! For tests only: a real server and real devices, each a process of its own, in temporary folders.
//!
//! The programs are those that the same build made (`target/…/etui-server`, `target/…/etui`). Each device reaches the
//! server over a [`Wire`] of its own, which records all that passes, can be cut, and can be made to lie as a malicious
//! server would ([`evil`]). Processes are ended and disks are mounted in the ways of Linux.

mod backing;
pub mod canary;
mod device;
pub mod disk;
pub mod evil;
#[cfg(feature = "services-tests")]
pub mod fleet;
mod folder;
mod keyring;
#[cfg(feature = "services-tests")]
mod link;
mod outside;
mod process;
pub mod seed;
mod server;
mod stage;
mod wire;

pub use device::{Device, Terminal};
pub use folder::copy_folder;
pub use keyring::{Keyring, KeyringItem};
#[cfg(feature = "services-tests")]
pub use link::Link;
pub use outside::kept_outside;
pub use process::Process;
pub use server::Server;
pub use stage::{EMAIL, LOGIN_PASSWORD, MASTER_PASSWORD, Node, Stage};
pub use wire::{Exchange, Lying, Meeting, Observer, Wire};
