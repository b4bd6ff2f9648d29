//! `GET /v1/events`

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{self, Sse},
};
use etui_api::{plan::Feature, sync::Event};
use etui_store::Authority;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{access::Access, app::App, clock, document::Problems, problem::ApiError};

/// Shorter than the idle limits of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// Follow what happens
///
/// Server-sent events named `vault`, `state` and `device`; each only says "look". The stream ends with the session. A plan may not
/// include it (`not_in_plan`): then pull from time to time.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "follow", tag = "events", security(("session" = [])),
    responses((status = 200, description = "Events, for as long as they are read.", body = Event, content_type = "text/event-stream"), Problems)
)]
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    Access(authority): Access,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, ApiError> {
    app.store.require_feature(&authority, Feature::LiveEvents).await?;
    let events = Box::pin(app.store.subscribe(&authority));
    let mut keep_alive = interval(KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower { app, authority, events, keep_alive };
    Ok(Sse::new(stream::unfold(follower, |mut follower| async move {
        follower.next().await.map(|event| (Ok(event), follower))
    })))
}

struct Follower {
    app: Arc<App>,
    authority: Authority,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    keep_alive: Interval,
}

impl Follower {
    /// The next line; `None` once the session or the server ends. The first keep-alive comes at once and opens the
    /// stream for proxies that wait for a first byte.
    async fn next(&mut self) -> Option<sse::Event> {
        let line = tokio::select! {
            event = self.events.next() => name(event?),
            _ = self.keep_alive.tick() => sse::Event::default().comment(""),
            () = self.app.stopping() => return None,
        };
        let session = self.app.store.authority(self.authority.session_id(), clock::now_ms()).await;
        matches!(session, Ok(Some(_))).then_some(line)
    }
}

fn name(event: Event) -> sse::Event {
    let name = match event {
        Event::Vault { .. } => "vault",
        Event::State { .. } => "state",
        Event::Device { .. } => "device",
    };
    let data = serde_json::to_string(&event).expect("an event is plain JSON");
    sse::Event::default().event(name).data(data)
}
