//! Stopping: what runs is finished, within a time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum_server::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;

/// How long requests may go on after the server was asked to stop; container platforms wait as long by default.
const DRAIN: Duration = Duration::from_secs(25);

/// Waits until the process is asked to end.
///
/// # Errors
/// The operating system's, if it does not let signals be watched.
pub(crate) async fn asked_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal, "stopping");
    Ok(())
}

/// Says that the server is not ready any more, ends the streams of events, takes no further connection, and lets
/// requests finish. Returns at once; the server's own task ends when it is over.
pub(crate) fn begin(app: &Arc<App>, connections: &Handle<SocketAddr>) {
    app.stopping.send_replace(true);
    connections.graceful_shutdown(Some(DRAIN));
}
