//! What the handlers share.

use etui_store::Store;
use tokio::sync::watch;
use webauthn_rs::Webauthn;

use crate::{
    body::UploadRoom, envelope::RequestIds, login::LoginHasher, mail::Post, metrics::Metrics,
    provider::Providers, settings::Settings, shutdown::Phase, tokens::Tokens,
};

/// Everything that outlives a request.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) tokens: Tokens,
    pub(crate) login: LoginHasher,
    /// Sends letters, where the server is set up for it.
    pub(crate) post: Option<Post>,
    pub(crate) upload_room: UploadRoom,
    pub(crate) settings: Settings,
    pub(crate) providers: Providers,
    /// Here, or in front of the proxy that its public address names.
    pub(crate) over_tls: bool,
    /// The address that people use.
    pub(crate) url: String,
    /// What verifies passkeys; none where the address is no name.
    pub(crate) passkeys: Option<Webauthn>,
    pub(crate) request_ids: RequestIds,
    /// How far the server is on its way to its end.
    pub(crate) phase: watch::Sender<Phase>,
}

impl App {
    /// Whether links by mail are a way to sign in here.
    pub(crate) const fn sends_mail(&self) -> bool {
        self.post.is_some()
    }

    /// Whether the server has been asked to stop: it still serves, and whoever has a choice goes elsewhere.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Whether the server takes nothing new any more.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.phase.borrow() == Phase::Stopping
    }

    /// Returns when the server stops.
    pub(crate) async fn stopping(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Stopping).await;
    }
}
