//! How an account is unlocked was changed.

use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeysChanged {
    /// In ms since 1970.
    pub time_ms: u64,
}

impl KeysChanged {
    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        Text::about("How you unlock Etui has changed")
            .paragraph(format!(
                "A device of your Etui account at {} has changed how it is unlocked, on {}: the master password, what a guess at it \
                 costs, or a Recovery Kit. All other devices have been signed out.",
                desk.url,
                time(self.time_ms)
            ))
            .paragraph("If that was you, there is nothing to do.")
            .paragraph(
                "If not, somebody has unlocked your account on one of your devices, or knows what unlocks it. Look with `etui devices` \
                 at which there are, change the master password on one that you trust, and then the passwords that are in your \
                 entries. A device that knows the master password from before goes on opening what is on it.",
            )
            .paragraph("Nobody will ever ask you for your master password, in no mail and on no page.")
    }
}
