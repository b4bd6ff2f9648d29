//! Stopping: a load balancer is told first, then what runs is finished, within a time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum_server::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::App,
    log::{self, EndingSignal},
};

/// How long requests may go on once the server stops; container platforms wait as long by default.
const LAST_REQUESTS: Duration = Duration::from_secs(25);

/// How far a server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is not.
    Serving,
    /// It serves whoever comes, says that it is not ready, and keeps no connection open for a further request.
    Draining,
    /// It takes nothing new.
    Stopping,
}

/// Watches for the process being asked to end, from now on; what it gives waits for that.
///
/// # Errors
/// The operating system's, if it does not let signals be watched.
pub(crate) fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => EndingSignal::Terminate,
            _ = interrupt.recv() => EndingSignal::Interrupt,
        };
        log::info("stopping").signal(signal).write();
    })
}

/// Says that the server is not ready any more, and goes on serving for so long, or until it is asked once more to stop: a load
/// balancer asks now and then only, and a request that it sends meanwhile must not fail.
///
/// # Errors
/// As [`asked_to_stop`].
pub(crate) async fn drain(app: &App, how_long: Duration) -> io::Result<()> {
    app.phase.send_replace(Phase::Draining);
    if how_long.is_zero() {
        return Ok(());
    }
    let asked_again = asked_to_stop()?;
    tokio::select! {
        () = tokio::time::sleep(how_long) => {}
        () = asked_again => {}
    }
    Ok(())
}

/// Says that the server is not ready any more, ends the streams of events, takes no further connection, and lets
/// requests finish. Returns at once; the server's own task ends when it is over.
pub(crate) fn begin(app: &Arc<App>, connections: &Handle<SocketAddr>) {
    app.phase.send_replace(Phase::Stopping);
    connections.graceful_shutdown(Some(LAST_REQUESTS));
}
