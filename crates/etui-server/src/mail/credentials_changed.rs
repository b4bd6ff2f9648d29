//! A way to sign in was added, changed or removed.

use etui_store::CredentialChange;
use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When, and what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialsChanged {
    /// In ms since 1970.
    pub time_ms: u64,
    /// As the audit log has it.
    pub action: String,
}

impl CredentialsChanged {
    pub(crate) fn by(change: &CredentialChange, time_ms: u64) -> Self {
        Self { time_ms, action: change.action().name().to_owned() }
    }

    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        let what = match self.action.as_str() {
            "change_login_password" => "the login password was set, changed or taken away",
            "change_email" => "the e-mail address was changed",
            "link_identity" => "an account at a provider was linked",
            "unlink_identity" => "an account at a provider was unlinked",
            "add_passkey" => "a passkey was added",
            "remove_passkey" => "a passkey was removed",
            "set_totp" => "a second factor was set up",
            "remove_totp" => "the second factor was removed",
            "replace_recovery_codes" => "the recovery codes were made anew",
            "change_links" => "signing in by a link was allowed or forbidden",
            "change_approval" => "whether new devices need approval was changed",
            _ => "a way to sign in was changed",
        };
        Text::about("How you sign in to Etui has changed")
            .paragraph(format!(
                "At your Etui account at {}, {what}, on {}. All other devices have been signed out.",
                desk.url,
                time(self.time_ms)
            ))
            .paragraph("If that was you, there is nothing to do.")
            .paragraph(
                "If not, sign in and undo it, and change your login password; if you cannot sign in any more, ask whoever \
                 runs the server. Without your master password nobody can read any of your entries.",
            )
    }
}
