//! What every request costs besides what it does: finding out who speaks, and its line in the log.

use std::{path::Path, time::Instant};

use crate::{
    http::Connection,
    process::Server,
    progress,
    table::{Figure, Target},
};

/// The id is none: whoever speaks is found out first, and nothing more is done.
const PATH: &str = "/v1/vaults/none/changes";
/// Without a token the request ends before anybody is looked up.
const NO_TOKEN: &str = "";
const MOST_CPU_US: f64 = 60.0;
/// The kernel counts processor time in hundredths of a second.
const REPETITIONS: u32 = 5;
const LOG_REPETITIONS: u32 = 20;
/// What does nothing at all.
const ALIVE: &str = "/healthz";

/// Token and session: the difference between a request with a token and one without, which is refused at once.
pub(crate) async fn token_check(
    server: &Server,
    connection: &mut Connection,
    token: &str,
    requests: u32,
    name: &'static str,
) -> anyhow::Result<Figure> {
    progress("finding out who speaks");
    let requests = requests * REPETITIONS;
    let without_us = cpu_us(server, connection, PATH, NO_TOKEN, requests).await?;
    let with_us = cpu_us(server, connection, PATH, token, requests).await?;
    let check_us = (with_us - without_us).max(0.0);
    let mut times = Vec::new();
    for _ in 0..requests {
        let started = Instant::now();
        connection.drain(PATH, token).await?;
        times.push(started.elapsed());
    }
    let targets = vec![Target::cpu_us(check_us, MOST_CPU_US)];
    let note = format!("a request with a token takes {with_us:.0} µs, one without {without_us:.0} µs");
    Ok(Figure { cpu_us: Some(check_us), targets, note, ..Figure::new(name) }.times(&mut times))
}

/// The difference between a request to a server that logs and to one that does not.
pub(crate) async fn log_line(server: &Server, quiet_data: &Path, requests: u32) -> anyhow::Result<Figure> {
    progress("writing lines into the log");
    let quiet = Server::start_with(quiet_data, &["--log".into(), "off".into()])?;
    let requests = requests * LOG_REPETITIONS;
    let mut both_us = [0.0; 2];
    for (server, us) in [server, &quiet].into_iter().zip(&mut both_us) {
        let mut connection = Connection::open(&server.address).await?;
        *us = cpu_us(server, &mut connection, ALIVE, NO_TOKEN, requests).await?;
    }
    let [logged_us, quiet_us] = both_us;
    let note =
        format!("a request that does nothing takes {logged_us:.1} µs, without a line {quiet_us:.1} µs");
    let cpu_us = Some((logged_us - quiet_us).max(0.0));
    Ok(Figure { cpu_us, note, ..Figure::new("line in the log") })
}

async fn cpu_us(
    server: &Server,
    connection: &mut Connection,
    path: &str,
    token: &str,
    requests: u32,
) -> anyhow::Result<f64> {
    let cpu = server.cpu()?;
    for _ in 0..requests {
        connection.drain(path, token).await?;
    }
    Ok(server.cpu_us_since(cpu)? / f64::from(requests))
}
