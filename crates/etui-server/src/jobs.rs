//! What the server does by itself, now and then.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use etui_store::{Job, StoreError};
use futures_util::FutureExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::{
    app::App,
    clock,
    log::{self, Cause},
    mail,
};

/// Between two looks at what is due.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// Between the looks of two jobs. All at once, each would open a connection to the database of its own, and keep it open.
const BETWEEN_JOBS: Duration = Duration::from_millis(250);
/// So many failures in one look may be about vaults; with one more it is the database or the bucket.
const MAX_FAILURES: u32 = 8;
const BETWEEN_COLLECTIONS: Duration = Duration::from_hours(1);
const BETWEEN_PURGES: Duration = Duration::from_hours(1);
/// The whole bucket is listed for it.
const BETWEEN_SEARCHES_FOR_ORPHANS: Duration = Duration::from_hours(24);
/// What an account leaves in the memory of a node that did not remove it is gone within two of these.
const BETWEEN_FORGETTINGS: Duration = Duration::from_hours(24);
/// Longer than any push or pull may take, so that nothing is collected that somebody is about to refer to.
const GRACE: Duration = Duration::from_hours(24);

/// Does what is due, soon and then again and again, until the server stops. Whatever is interrupted then is left as if
/// it had not been begun; a letter that is being sent is not interrupted.
pub(crate) async fn run(app: Arc<App>) {
    let now = Instant::now();
    let turn = |number| now + BETWEEN_JOBS * number;
    let chores = async {
        let app = &*app;
        tokio::select! {
            () = again_and_again(app, turn(0), "garbage", "garbage was not collected", || collect_garbage(app)) => {}
            () = again_and_again(app, turn(1), "compaction", "vaults were not compacted", || compact(app)) => {}
            () = again_and_again(app, turn(2), "purge", "records past their time were not removed", || purge(app)) => {}
            () = again_and_again(app, turn(3), "exports", "downloads were not made", || make_exports(app)) => {}
            () = forget_unused(app) => {}
            () = app.stopping() => {}
        }
    };
    // What is half sent would be sent twice if it were dropped.
    tokio::join!(chores, mail::run(&app));
}

/// A failure, or a fault of ours, is noted and does not end it.
async fn again_and_again<F: Future<Output = Result<(), StoreError>>>(
    app: &App,
    first: Instant,
    job: &'static str,
    failure: &'static str,
    work: impl Fn() -> F,
) {
    let mut looks = interval_at(first, BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let started = Instant::now();
        let result = AssertUnwindSafe(work()).catch_unwind().await;
        app.metrics.job(job, started.elapsed(), matches!(result, Ok(Ok(()))));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                app.metrics.store_failed(error.failure());
                log::warn(failure).cause(Some(Cause::of(&error))).write();
            }
            // Where, the line before says.
            Err(_) => log::error(failure).write(),
        }
    }
}

/// On every node, since each has a memory of its own.
async fn forget_unused(app: &App) {
    let mut times = interval(BETWEEN_FORGETTINGS);
    loop {
        times.tick().await;
        app.store.forget_unused();
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

/// Accounts whose grace is over, and whatever else is past its time.
async fn purge(app: &App) -> Result<(), StoreError> {
    let now_ms = clock::now_ms();
    if app.store.claim_job(Job::Purge, BETWEEN_PURGES, now_ms).await? {
        app.store.purge(&app.settings.retention(), now_ms).await?;
    }
    Ok(())
}

/// Downloads that are too large to be waited for.
async fn make_exports(app: &App) -> Result<(), StoreError> {
    while let Some(ticket) = app.store.next_export(clock::now_ms()).await? {
        app.store.make_export(&ticket, clock::now_ms()).await?;
    }
    Ok(())
}

/// One vault after the other, for as long as any is due. One that cannot be compacted comes up again later and does not
/// keep others from it.
async fn compact(app: &App) -> Result<(), StoreError> {
    let mut failures = 0;
    loop {
        match app.store.compact_next(clock::now_ms()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) if failures == MAX_FAILURES => return Err(error),
            Err(error) => {
                failures += 1;
                app.metrics.store_failed(error.failure());
                log::warn("a vault was not compacted").cause(Some(Cause::of(&error))).write();
            }
        }
    }
}
