//! Sessions of devices that have lain about.

use etui_testkit::Stage;

/// Has every session lie about for a day: none of them is fresh any more.
pub(crate) fn age_sessions(stage: &Stage) {
    let database = rusqlite::Connection::open(stage.data().join("etui.db")).expect("the server's database");
    let update = "UPDATE session SET started_ms = started_ms - 86400000";
    assert!(database.execute(update, []).expect("an update") > 0);
}
