//! A device has signed in for the first time.

use etui_api::session::Method;
use serde::{Deserialize, Serialize};

use super::{
    letter::{Desk, time},
    text::Text,
};

/// When, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewDevice {
    /// In ms since 1970.
    pub time_ms: u64,
    /// How it signed in.
    pub method: Method,
    /// Whether it gets nothing until another device approves it.
    pub awaits_approval: bool,
}

impl NewDevice {
    pub(super) fn write(&self, desk: &Desk<'_>) -> Text {
        let way = match self.method {
            Method::LoginPassword => "with your login password",
            Method::Link => "with a link that came by mail",
            Method::Provider => "with your account at a provider",
            Method::Passkey => "with a passkey",
            Method::Totp | Method::RecoveryCode => "with a second factor",
            Method::Browser => "through a browser that had signed in",
        };
        let text = Text::about("A new device has signed in to Etui")
            .paragraph(format!(
                "A device that was never seen before has signed in to your Etui account at {}, {way}, on {}.",
                desk.url,
                time(self.time_ms)
            ))
            .paragraph("If that was you, there is nothing to do.");
        let text = if self.awaits_approval {
            text.paragraph(
                "It gets nothing until one of your other devices approves it: `etui devices` shows it.",
            )
        } else {
            text.paragraph(
                "If not, sign it out with `etui devices` and change how you sign in. Without your master password it can \
                 read none of your entries.",
            )
        };
        text.paragraph("Nobody will ever ask you for your master password, in no mail and on no page.")
    }
}
