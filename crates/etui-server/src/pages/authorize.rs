//! `/authorize`: a program on the same computer asks to be let in (RFC 8252).
//!
//! The answer goes to 127.0.0.1 alone, at the port that the program names; what is in it counts only together with what the
//! program has kept (PKCE), for the device that it named.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use etui_api::{ErrorCode, session::Token};
use etui_chain::DeviceId;
use etui_store::{Outcome, Purpose};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::{
    Next, Page, PageError, PageForm, PageQuery, access::Visit, hidden, next::Authorization, see_other,
};
use crate::{app::App, document::escape, let_in::LetIn, problem::ApiError, sign_in};

/// The program is on the same computer: it comes at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a program exchanges its code for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Authorized {
    pub(crate) code_challenge: String,
    pub(crate) device_id: DeviceId,
    pub(crate) let_in: LetIn,
}

#[derive(Deserialize)]
pub(super) struct Decision {
    decision: Choice,
    asked: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Choice {
    Allow,
    Refuse,
}

impl Choice {
    /// As the audit log has it.
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Allow => Outcome::Done,
            Self::Refuse => Outcome::Refused,
        }
    }
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Option<Visit>,
    PageQuery(asked): PageQuery<Authorization>,
) -> Result<Response, PageError> {
    if !asked.is_right() {
        return Err(ApiError::because(ErrorCode::BadRequest, "The program asked in a wrong way.").into());
    }
    let target = origin(&asked);
    let asked = Next::Authorize(asked);
    let Some(Visit { visitor, .. }) = visit else { return Ok(see_other(&asked.sign_in(), [])) };
    let content = format!(
        "<p>A program on this computer asks to be let in, as a device of <strong>{}</strong>.</p>\
         <p>Go on only if you started it yourself, just now. What it may then do, you could do: read what your master \
         password unlocks on it, and change it.</p>{}",
        super::who(&app, &visitor).await?,
        choices("/authorize", &hidden("asked", &asked.address())),
    );
    let page = Page { form_targets: &[&target], ..Page::new("Let a program in", &content) };
    Ok(page.respond(StatusCode::OK))
}

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    visit: Visit,
    PageForm(Decision { decision, asked }): PageForm<Decision>,
) -> Result<Response, PageError> {
    let Next::Authorize(asked) = Next::read(Some(&asked)) else {
        return Err(ApiError::because(ErrorCode::BadRequest, "The form is not one of this page.").into());
    };
    let answer = match decision {
        Choice::Refuse => ("error", Token::new("access_denied".to_owned())),
        Choice::Allow => ("code", code(&app, &asked, LetIn::from(&visit.visitor)).await?),
    };
    visit.visitor.note_decision(&app, asked.device_id, decision.outcome()).await?;
    Ok(see_other(&back(&app, &asked, answer), []))
}

async fn code(app: &App, asked: &Authorization, let_in: LetIn) -> Result<Token, ApiError> {
    let claim = let_in.claim();
    let Authorization { code_challenge, device_id, .. } = asked.clone();
    let body = Authorized { code_challenge, device_id, let_in };
    sign_in::begin(app, Purpose::AuthorizationCode, claim, &body, 1, PATIENCE).await
}

/// Where the program listens (RFC 6749, section 4.1.2; RFC 9207).
fn back(app: &App, asked: &Authorization, (name, value): (&str, Token)) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, value.expose());
    query.append_pair("state", &asked.state).append_pair("iss", &app.url);
    format!("{}/?{}", origin(asked), query.finish())
}

/// Two buttons that decide.
pub(super) fn choices(action: &str, hidden: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{}\">{hidden}<p><button name=\"decision\" value=\"allow\">Let it in</button> \
         <button class=\"quiet\" name=\"decision\" value=\"refuse\">No</button></p></form>",
        escape(action)
    )
}

fn origin(asked: &Authorization) -> String {
    format!("http://127.0.0.1:{}", asked.port)
}
