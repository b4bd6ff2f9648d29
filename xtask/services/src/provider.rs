//! A provider of OpenID Connect: the library `oidc-provider` from npm (certified), with its own pages to sign in on.
//!
//! Whoever signs in there gives a name and any password; the names, and which of them make it lie, are in `provider.mjs`.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    os::{fd::OwnedFd, unix::fs::symlink},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tempfile::TempDir;

use crate::npm::NpmPackage;

const PACKAGE: NpmPackage = NpmPackage { name: "oidc-provider", version: "9.13.3" };
const SCRIPT: &str = include_str!("provider.mjs");
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// By which the provider knows the server.
pub const CLIENT_ID: &str = "etui";
/// The secret that goes with it.
pub const CLIENT_SECRET: &str = "etui-test-secret-0123456789abcdef";

/// Where a provider will be: a server can be told of it before it is there, and nobody else takes it meanwhile.
pub struct ProviderAddress {
    /// Bound, and not listened on yet.
    socket: OwnedFd,
    port: u16,
}

/// A running provider; stopped when dropped.
pub struct Provider {
    process: Child,
    // Fields go in their order: this one after the process has ended.
    folder: TempDir,
}

impl ProviderAddress {
    /// One that nobody has.
    ///
    /// # Errors
    /// No port is free.
    pub fn free() -> anyhow::Result<Self> {
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let address = SocketAddr::try_from(net::getsockname(&socket)?)?;
        Ok(Self { socket, port: address.port() })
    }

    /// The provider's `iss`.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Installs the provider if it is not there yet, and starts it. It sends browsers back to these addresses alone.
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start(self, redirect_uris: &[&str]) -> anyhow::Result<Provider> {
        let modules = PACKAGE.modules()?;
        let folder = tempfile::Builder::new().prefix("etui-provider-").tempdir()?;
        symlink(modules, folder.path().join("node_modules"))?;
        let script = folder.path().join("provider.mjs");
        fs::write(&script, SCRIPT)?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new("node");
        command.arg(script).envs([
            ("ISSUER", self.issuer()),
            ("CLIENT_ID", CLIENT_ID.to_owned()),
            ("CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("REDIRECT_URIS", redirect_uris.join(" ")),
        ]);
        // It listens on what it finds in the place of standard input.
        let process = command.stdin(Stdio::from(self.socket)).stdout(log.try_clone()?).stderr(log).spawn();
        let mut provider = Provider { process: process.context("starting node")?, folder };
        provider.wait_until_it_listens(self.port)?;
        Ok(provider)
    }
}

impl Provider {
    fn wait_until_it_listens(&mut self, port: u16) -> anyhow::Result<()> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if self.process.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("the provider does not listen: {log}");
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
