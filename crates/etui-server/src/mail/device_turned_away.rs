//! A device was signed out on a page, by somebody without a device.

use etui_chain::DeviceId;
use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When, and which.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceTurnedAway {
    /// In ms since 1970.
    pub time_ms: u64,
    /// The device.
    pub device_id: DeviceId,
}

impl DeviceTurnedAway {
    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        Text::about("A device was signed out of Etui")
            .paragraph(format!(
                "On the pages of {} somebody signed a device of your Etui account out, on {}. `etui devices` calls it {}.",
                desk.url,
                time(self.time_ms),
                self.device_id
            ))
            .paragraph("If that was you, there is nothing to do: what is on the device stays sealed there.")
            .paragraph(
                "If not, sign in on it again, look with `etui devices` for others that you do not know, and change how you \
                 sign in. Without your master password nobody can read any of your entries.",
            )
    }
}
