//! What the handlers share.

use etui_store::Store;
use tokio::sync::watch;

use crate::{
    body::UploadRoom, envelope::RequestIds, login::LoginHasher, settings::Settings, throttle::Throttle,
    tokens::Tokens,
};

/// Everything that outlives a request.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) login: LoginHasher,
    pub(crate) throttle: Throttle,
    pub(crate) upload_room: UploadRoom,
    pub(crate) settings: Settings,
    pub(crate) over_tls: bool,
    /// The address that people use.
    pub(crate) url: String,
    pub(crate) request_ids: RequestIds,
    /// True from the moment that the server begins to stop.
    pub(crate) stopping: watch::Sender<bool>,
}

impl App {
    /// Whether the server has begun to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
