//! A link, or a code, to sign in with.

use etui_chain::Digest;
use etui_store::{Purpose, StoreError};
use serde::{Deserialize, Serialize};

use super::{letter::Desk, text::Text};
use crate::mailed;

/// What was asked for, and by what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignInLink {
    /// The hash under which it was begun.
    pub begun: Digest,
    /// Whether a program asked: then there is nothing to open, but something to copy.
    pub for_program: bool,
}

impl SignInLink {
    /// Nothing if nobody has that address, or does not want links, or has signed in meanwhile.
    pub(super) async fn write(&self, desk: &Desk<'_>) -> Result<Option<Text>, StoreError> {
        let Some(login) = desk.store.login(desk.recipient).await?.filter(|login| login.by_link) else {
            return Ok(None);
        };
        let begun = self.begun;
        let Some(pending) = desk.store.pending(begun, Purpose::Link, desk.now_ms).await? else {
            return Ok(None);
        };
        let lifetime = desk.rest_of(&pending);
        let token = mailed::draw(desk.store, login.claim, Some(begun), lifetime, desk.now_ms).await?;
        let text = Text::about("Signing in to Etui").paragraph(format!(
            "Somebody wants to sign in to your Etui account at {}. If that is you:",
            desk.url
        ));
        let text = if self.for_program {
            text.paragraph("Copy this line into the program that asks for it.").code(token.expose())
        } else {
            text.paragraph(
                "Open this link in the browser that asked for it, and press the button on the page.",
            )
            .link(mailed::link(desk.url, &token).expose().to_owned())
        };
        Ok(Some(
            text.paragraph("It works once, within ten minutes, and only where it was asked for.")
                .paragraph("If it was not you, there is nothing to do: without this letter nobody gets in."),
        ))
    }
}
