//! Who did not get in is noted for the holder of the account. Beside the answer: it must not take longer where there is an account
//! of which something is noted.

use etui_chain::{AccountId, DeviceId};
use etui_store::Action;

use crate::{
    app::App,
    clock,
    log::{self, Cause},
    problem::ApiError,
};

/// Notes a result that is a refusal, and no failure of the server's own.
pub(crate) fn noted(
    app: &App,
    account_id: AccountId,
    action: Action,
    device_id: Option<DeviceId>,
) -> impl FnOnce(&ApiError) {
    move |error| {
        if error.problem().status < 500 {
            note(app, account_id, action, device_id);
        }
    }
}

/// Notes that somebody tried to do this with an account and was refused.
pub(crate) fn note(app: &App, account_id: AccountId, action: Action, device_id: Option<DeviceId>) {
    let store = app.store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.note_refused(account_id, action, device_id, clock::now_ms()).await {
            log::warn("a refused sign-in was not noted").cause(Some(Cause::of(&error))).write();
        }
    });
}
