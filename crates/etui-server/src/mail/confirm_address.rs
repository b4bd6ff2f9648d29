//! A code that confirms a new address.

use etui_chain::Digest;
use etui_store::{Purpose, StoreError};
use serde::{Deserialize, Serialize};

use super::{letter::Desk, text::Text};
use crate::{email_change, mailed};

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfirmAddress {
    /// The hash under which it was begun.
    pub begun: Digest,
}

impl ConfirmAddress {
    /// Nothing if it was given up meanwhile.
    pub(super) async fn write(&self, desk: &Desk<'_>) -> Result<Option<Text>, StoreError> {
        let begun = self.begun;
        let pending = desk.store.pending(begun, Purpose::EmailChange, desk.now_ms).await?;
        let Some(pending) = pending else { return Ok(None) };
        let Some(claim) = email_change::claim(&pending) else { return Ok(None) };
        let lifetime = desk.rest_of(&pending);
        let token = mailed::draw(desk.store, claim, Some(begun), lifetime, desk.now_ms).await?;
        Ok(Some(
            Text::about("Confirming your address for Etui")
                .paragraph(format!(
                    "Somebody wants this address to name their Etui account at {}. If that is you, copy this line into the \
                     program that asks for it, within ten minutes:",
                    desk.url
                ))
                .code(token.expose())
                .paragraph("If it is not you, there is nothing to do: without this letter nothing changes."),
        ))
    }
}
