//! What the server does by itself, now and then.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{app::App, clock, problem::chain};

const BETWEEN_COLLECTIONS: Duration = Duration::from_hours(1);
/// Longer than any push or pull may take, so that nothing is collected that somebody is about to refer to.
const GRACE: Duration = Duration::from_hours(24);

/// Collects what nothing refers to any more, at once and then every hour, until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut ticks = interval(BETWEEN_COLLECTIONS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stopping() => return,
        }
        if let Err(error) = app.store.collect_garbage(clock::now_ms(), GRACE).await {
            tracing::warn!(cause = chain(&error), "garbage was not collected");
        }
    }
}
