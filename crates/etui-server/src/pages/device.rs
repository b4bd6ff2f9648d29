//! `/device`: the code of a device that has no browser (RFC 8628).
//!
//! Whoever lets a stranger's device in gives it the account, so the page says whose code one must not type; and a code is
//! only ever typed, never in a link that could be sent to somebody.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Next, Page, PageError, PageForm,
    access::Visit,
    authorize::{Choice, choices},
    hidden, see_other,
};
use crate::{
    app::App,
    device_code,
    let_in::LetIn,
    limits::{self, Target},
    parameters::Client,
};

#[derive(Deserialize)]
pub(super) struct Typed {
    user_code: String,
}

#[derive(Deserialize)]
pub(super) struct Decision {
    user_code: String,
    decision: Choice,
}

const WARNING: &str = "<p role=\"alert\"><strong>Type only a code that your own device shows you now.</strong> Nobody from \
     this server, and nobody who helps you, ever needs one. A code that somebody sent you lets them into your account.</p>";

pub(super) async fn show(visit: Option<Visit>) -> Response {
    if visit.is_none() {
        return see_other(&Next::Device.sign_in(), []);
    }
    let content = format!(
        "{WARNING}<form method=\"post\" action=\"/device/look\"><p><label for=\"user_code\">The code that the device \
         shows</label><input id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" \
         spellcheck=\"false\" required></p><p><button>Go on</button></p></form>"
    );
    Page::new("Let a device in", &content).respond(StatusCode::OK)
}

pub(super) async fn look(
    State(app): State<Arc<App>>,
    Client(client): Client,
    visit: Visit,
    PageForm(Typed { user_code }): PageForm<Typed>,
) -> Result<Response, PageError> {
    let device_id = async {
        visit.try_code(&app).await?;
        device_code::asked_with(&app, &user_code).await
    };
    let device_id = limits::within_try(&app, client, Target::Code, None, device_id).await?;
    let content = format!(
        "{WARNING}<p>A device asks to be let in, as one of <strong>{}</strong>. It calls itself <code>{device_id}</code>, \
         and shows the same.</p>{}",
        super::who(&app, &visit.visitor).await?,
        choices("/device/decide", &hidden("user_code", &user_code)),
    );
    Ok(Page::new("Let a device in", &content).respond(StatusCode::OK))
}

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Client(client): Client,
    visit: Visit,
    PageForm(Decision { user_code, decision }): PageForm<Decision>,
) -> Result<Response, PageError> {
    let let_in = match decision {
        Choice::Allow => Some(LetIn::from(&visit.visitor)),
        Choice::Refuse => None,
    };
    let device_id = async {
        visit.try_code(&app).await?;
        device_code::decide(&app, &user_code, let_in).await
    };
    let device_id = limits::within_try(&app, client, Target::Code, None, device_id).await?;
    visit.visitor.note_decision(&app, device_id, decision.outcome()).await?;
    let content = match decision {
        Choice::Allow => "<p>The device is let in. It goes on by itself; you can close this page.</p>",
        Choice::Refuse => "<p>The device is not let in.</p>",
    };
    Ok(Page::new("Let a device in", content).respond(StatusCode::OK))
}
