//! What the server does by itself, now and then.

use std::{sync::Arc, time::Duration};

use etui_store::{Job, StoreError};
use tokio::time::{MissedTickBehavior, interval};

use crate::{app::App, clock, problem::chain};

/// Between two looks at what is due.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
const BETWEEN_COLLECTIONS: Duration = Duration::from_hours(1);
/// The whole bucket is listed for it.
const BETWEEN_SEARCHES_FOR_ORPHANS: Duration = Duration::from_hours(24);
/// Longer than any push or pull may take, so that nothing is collected that somebody is about to refer to.
const GRACE: Duration = Duration::from_hours(24);

/// Does what is due, at once and then again and again, until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut looks = interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = async {
        loop {
            looks.tick().await;
            note_failure("garbage was not collected", collect_garbage(&app).await);
            note_failure("a vault was not compacted", compact(&app).await);
        }
    };
    // Whatever is interrupted is left as if it had not been begun.
    tokio::select! {
        () = work => {}
        () = app.stopping() => {}
    }
}

async fn collect_garbage(app: &App) -> Result<(), StoreError> {
    let now_ms = clock::now_ms();
    if app.store.claim_job(Job::Orphans, BETWEEN_SEARCHES_FOR_ORPHANS, now_ms).await? {
        app.store.give_up_orphans(now_ms, GRACE).await?;
    }
    if app.store.claim_job(Job::Garbage, BETWEEN_COLLECTIONS, now_ms).await? {
        app.store.collect_garbage(now_ms, GRACE).await?;
    }
    Ok(())
}

/// One vault after the other, for as long as any is due.
async fn compact(app: &App) -> Result<(), StoreError> {
    while app.store.compact_next(clock::now_ms()).await?.is_some() {}
    Ok(())
}

fn note_failure(what: &'static str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(cause = chain(&error), "{what}");
    }
}
