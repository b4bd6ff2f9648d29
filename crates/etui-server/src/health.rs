//! Asks a running server whether it is ready, with nothing but the standard library: for container health checks.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use http::Uri;

const PATIENCE: Duration = Duration::from_secs(5);

/// Why a server does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address is not one that can be asked.
    #[error("{url} cannot be asked: give an address such as http://127.0.0.1:8484")]
    Address {
        /// What was given.
        url: Uri,
    },
    /// Nothing answers there.
    #[error("nothing answers at {url}: is the server running?")]
    Unreachable {
        /// What was asked.
        url: Uri,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// It answers and is not ready.
    #[error("the server at {url} is not ready: it answered {answer:?}")]
    NotReady {
        /// What was asked.
        url: Uri,
        /// The first line of the answer.
        answer: String,
    },
}

/// Asks `/readyz` of the server at `url` (plain HTTP) and waits at most five seconds.
///
/// # Errors
/// [`HealthError`].
pub fn check(url: &Uri) -> Result<(), HealthError> {
    let plain = url.scheme_str().is_none_or(|scheme| scheme == "http");
    let authority = url.authority().filter(|_| plain);
    let authority = authority.ok_or_else(|| HealthError::Address { url: url.clone() })?;
    let host = authority.host().trim_matches(['[', ']']);
    let answer = ask(host, authority.port_u16().unwrap_or(80))
        .map_err(|source| HealthError::Unreachable { url: url.clone(), source })?;
    let first_line = answer.lines().next().unwrap_or_default();
    if first_line.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(HealthError::NotReady { url: url.clone(), answer: first_line.to_owned() })
    }
}

fn ask(host: &str, port: u16) -> io::Result<String> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}
