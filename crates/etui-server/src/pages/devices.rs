//! `POST /account/devices/end`: turning a device away that is lost, without another one.
//!
//! Where new devices wait to be approved, this is how they come in after the last one that could approve them is gone.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_chain::DeviceId;
use etui_store::LiveDevice;
use serde::Deserialize;

use super::{Next, PageAccess, PageError, PageForm, day, hidden, see_other};
use crate::{
    app::App,
    clock,
    mail::{self, DeviceTurnedAway, Letter},
    problem::ApiError,
};

#[derive(Deserialize)]
pub(super) struct Lost {
    device_id: DeviceId,
}

/// Every device with a session, and a form that ends it.
///
/// # Errors
/// The store's.
pub(super) async fn list(app: &App, access: &PageAccess) -> Result<String, ApiError> {
    let devices = app.store.signed_in_devices(&access.fresh, clock::now_ms()).await?;
    let waits = devices.iter().any(|device| device.awaits_approval);
    let help = if waits { APPROVAL } else { "" };
    Ok(match devices.as_slice() {
        [] => "<p>None.</p>".to_owned(),
        devices => format!("{help}{}", devices.iter().map(one).collect::<String>()),
    })
}

pub(super) async fn turn_away(
    State(app): State<Arc<App>>,
    access: PageAccess,
    PageForm(Lost { device_id }): PageForm<Lost>,
) -> Result<Response, PageError> {
    let now_ms = clock::now_ms();
    let notice =
        mail::notice(&app, Letter::DeviceTurnedAway(DeviceTurnedAway { time_ms: now_ms, device_id }))?;
    let claim = app.store.turn_device_away(&access.fresh, device_id, notice.as_ref(), now_ms).await?;
    mail::wake(&app);
    Ok(see_other(&Next::Account.address(), [access.reopen(&app, claim).await?]))
}

const APPROVAL: &str = "<p>A device waits until another one approves it. If those that could are lost, sign each of them out \
     here, and then sign in once more on the one that waits.</p>";

fn one(device: &LiveDevice) -> String {
    let waits = if device.awaits_approval { " <strong>Waits to be approved.</strong>" } else { "" };
    format!(
        "<fieldset><legend>Device {short}</legend><p>Signed in on {}, last seen on {}.{waits}</p>\
         <form method=\"post\" action=\"/account/devices/end\">{}<p><button class=\"quiet\">Sign out {short}</button></p></form>\
         </fieldset>",
        day(device.signed_in_ms),
        day(device.last_seen_ms),
        hidden("device_id", &device.device_id.to_string()),
        short = short(device.device_id),
    )
}

/// As `etui devices` shows it: what a device is called is sealed.
fn short(device_id: DeviceId) -> String {
    device_id.to_string().chars().take(8).collect()
}
