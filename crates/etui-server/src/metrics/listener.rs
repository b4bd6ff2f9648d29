//! A listener of its own for whoever collects metrics, so that they are never public by accident.

use std::{io, net::TcpListener, sync::Arc};

use axum::{Router, extract::State, routing::get};
use http::header::CONTENT_TYPE;

use crate::app::App;

/// The text form of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `GET /metrics`, until the server stops.
pub(crate) async fn serve(app: Arc<App>, listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stopping = Arc::clone(&app);
    let router = Router::new().route("/metrics", get(scrape)).with_state(app);
    axum::serve(listener, router).with_graceful_shutdown(async move { stopping.stopping().await }).await
}

async fn scrape(State(app): State<Arc<App>>) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, OPEN_METRICS)], app.metrics.scrape(&app).await)
}
