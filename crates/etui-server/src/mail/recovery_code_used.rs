//! A recovery code was shown in place of the second factor.

use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecoveryCodeUsed {
    /// In ms since 1970.
    pub time_ms: u64,
}

impl RecoveryCodeUsed {
    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        Text::about("A recovery code of your Etui account was used")
            .paragraph(format!(
                "Somebody who signed in to your Etui account at {} has shown one of its recovery codes in place of the second factor, on \
                 {}. It does not count again.",
                desk.url,
                time(self.time_ms)
            ))
            .paragraph(
                "If that was you, there is nothing to do; `etui account` shows how many are left, and `etui account recovery-codes` \
                 makes new ones.",
            )
            .paragraph(
                "If not, somebody has your codes and another way to sign in: sign them out with `etui devices`, change how you sign in, \
                 and make new codes. Without your master password nobody can read any of your entries.",
            )
    }
}
