//! `/hand-over`: a device that is signed in opens its account in a browser.
//!
//! Somebody may be sent the link of another's account, to link their own provider to it: so nothing happens before they have
//! read whose it is.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::session::Token;
use etui_chain::Id;
use etui_store::{Claim, Purpose};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Next, Page, PageError, PageForm, PageQuery, Proof, access, browser, hidden, see_other};
use crate::{
    app::App,
    clock,
    document::escape,
    sign_in::{self, Factors},
};

/// What is kept with it.
#[derive(Serialize, Deserialize)]
pub(crate) struct HandOver {
    /// Whose account it is.
    pub(crate) claim: Claim,
    /// The session of the device: it goes on when credentials change.
    pub(crate) session_id: Option<Id>,
}

#[derive(Deserialize)]
pub(super) struct Shown {
    ticket: Token,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    PageQuery(Shown { ticket }): PageQuery<Shown>,
) -> Result<Response, PageError> {
    let secret_hash = sign_in::secret_hash(&ticket)?;
    let pending = app.store.pending(secret_hash, Purpose::HandOver, clock::now_ms()).await?;
    let account_id = pending.and_then(|pending| pending.account_id).ok_or_else(sign_in::no_longer_valid)?;
    let content = match browser::refuses_cookies(&app) {
        Some(reason) => reason,
        None => format!(
            "<p>This opens the account <strong>{}</strong> in this browser, for ten minutes.</p>\
             <p>Go on only if this is your account and you asked for it on your own device just now.</p>\
             <form method=\"post\" action=\"/hand-over\">{}<p><button>Open it</button></p></form>",
            escape(&app.store.ways(account_id).await?.email),
            hidden("ticket", ticket.expose()),
        ),
    };
    Ok(Page::new("Open your account", &content).respond(StatusCode::OK))
}

pub(super) async fn open(
    State(app): State<Arc<App>>,
    PageForm(Shown { ticket }): PageForm<Shown>,
) -> Result<Response, PageError> {
    let secret_hash = sign_in::secret_hash(&ticket)?;
    let pending = app.store.take_pending(secret_hash, Purpose::HandOver, clock::now_ms()).await?;
    let pending = pending.ok_or_else(sign_in::no_longer_valid)?;
    let HandOver { claim, session_id } = sign_in::body(&pending.body)?;
    // A device's session has had every factor that the account asks for; how many is not known here.
    let cookie = access::open(&app, Proof { claim, shown: Factors::One, session_id }).await?;
    Ok(see_other(&Next::Account.address(), [cookie]))
}
