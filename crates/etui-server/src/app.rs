//! What the handlers share.

use etui_store::Store;
use tokio::sync::watch;

use crate::{
    body::UploadRoom, envelope::RequestIds, login::LoginHasher, metrics::Metrics, settings::Settings,
    shutdown::Phase, throttle::Throttle, tokens::Tokens,
};

/// Everything that outlives a request.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) tokens: Tokens,
    pub(crate) login: LoginHasher,
    pub(crate) throttle: Throttle,
    pub(crate) upload_room: UploadRoom,
    pub(crate) settings: Settings,
    pub(crate) over_tls: bool,
    /// The address that people use.
    pub(crate) url: String,
    pub(crate) request_ids: RequestIds,
    /// How far the server is on its way to its end.
    pub(crate) phase: watch::Sender<Phase>,
}

impl App {
    /// Whether the server has been asked to stop: it still serves, and whoever has a choice goes elsewhere.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Returns when the server stops.
    pub(crate) async fn stopping(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Stopping).await;
    }
}
