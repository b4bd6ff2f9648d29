//! The account will be gone.

use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountLeaving {
    /// In ms since 1970.
    pub delete_at_ms: u64,
}

impl AccountLeaving {
    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        Text::about("Your Etui account will be deleted")
            .paragraph(format!(
                "Somebody who had signed in to your Etui account at {} has deleted it. On {} it will be gone with everything \
                 in it, for good.",
                desk.url,
                time(self.delete_at_ms)
            ))
            .paragraph("Until then it can be kept, or taken along, by whoever signs in.")
            .paragraph("If it was not you, sign in, keep it, and change how you sign in.")
    }
}
