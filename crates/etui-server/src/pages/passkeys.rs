//! Passkeys on the pages: `POST /sign-in/passkey`, `POST /account/passkeys` and below it.
//!
//! They are what a browser gives to a script alone. So there is one small file of it; it fills a form in, and all else is as on
//! every other page.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use etui_api::{
    ErrorCode,
    session::{PasskeyAnswer, Token},
    ways::{Ceremony, NewPasskey},
};
use etui_chain::Id;
use etui_store::{Action, Claim, Passkey};
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::{Next, PageAccess, PageError, PageForm, Proof, SameOrigin, day, go_on, hidden, see_other};
use crate::{
    app::App,
    body::JsonBody,
    document::escape,
    limits::{self, Target},
    parameters::Client,
    passkeys,
    problem::ApiError,
    sign_in::Factors,
};

/// The address of the script, for pages that ask for passkeys.
pub(super) const SCRIPT: &str = "/passkeys.js";
pub(super) const SECOND_FACTOR: &str = "/sign-in/second-factor/passkey";
/// Where a page begins to ask for one, whosever it may be.
const BEGIN: &str = "/v1/sign-ins/passkeys";

/// What a form has of an authenticator's answer.
#[derive(Deserialize)]
pub(super) struct Answered {
    passkey_ticket: Token,
    credential: String,
}

impl Answered {
    /// As a program would send it.
    ///
    /// # Errors
    /// `bad_request`.
    pub(super) fn read(self) -> Result<PasskeyAnswer, ApiError> {
        let credential = serde_json::from_str(&self.credential).map_err(|_| not_of_this_page())?;
        Ok(PasskeyAnswer { ticket: self.passkey_ticket, credential })
    }
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    next: Option<String>,
    #[serde(flatten)]
    answered: Answered,
}

#[derive(Deserialize)]
pub(super) struct NewForm {
    name: String,
    #[serde(flatten)]
    answered: Answered,
}

#[derive(Deserialize)]
pub(super) struct Renamed {
    id: Id,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct Removed {
    id: Id,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// A form that signs in, where the server's address has a name.
pub(super) fn offer(app: &App, next: &Next) -> String {
    ask(app, "/sign-in/passkey", &hidden("next", &next.address()), "<button>Sign in with a passkey</button>")
}

/// The same where a second factor is asked for.
pub(super) fn offer_as_second_factor(app: &App) -> String {
    ask(app, SECOND_FACTOR, "", "<button class=\"quiet\">Use a passkey instead</button>")
}

fn ask(app: &App, action: &str, fields: &str, button: &str) -> String {
    if app.passkeys.is_none() {
        return String::new();
    }
    form("get", BEGIN, action, fields, button)
}

/// The passkeys of an account, and a form that adds one.
pub(super) fn list(app: &App, passkeys: &[Passkey]) -> String {
    let add = if app.passkeys.is_some() {
        let name = "<label for=\"passkey_name\">What to call it</label><input id=\"passkey_name\" name=\"name\" \
             maxlength=\"64\" value=\"Passkey\" autocomplete=\"off\" required>";
        form("create", "/account/passkeys/begin", "/account/passkeys", name, "<button>Add a passkey</button>")
    } else {
        "<p>Passkeys need a server whose address is a name, not a number.</p>".to_owned()
    };
    format!("{}{add}", passkeys.iter().map(one).collect::<String>())
}

fn one(passkey: &Passkey) -> String {
    let id = passkeys::id(&passkey.credential_id).to_string();
    let (hidden, name) = (hidden("id", &id), escape(&passkey.name));
    format!(
        "<fieldset><legend>{name}</legend><p>{}</p>\
         <form method=\"post\" action=\"/account/passkeys/rename\">{hidden}<p><label for=\"name-{id}\">Name</label>\
         <input id=\"name-{id}\" name=\"name\" maxlength=\"64\" value=\"{name}\" autocomplete=\"off\" required> \
         <button class=\"quiet\">Rename</button></p></form>\
         <form method=\"post\" action=\"/account/passkeys/remove\">{hidden}<p><button class=\"quiet\">Remove {name}</button></p></form>\
         </fieldset>",
        times(passkey)
    )
}

fn times(passkey: &Passkey) -> String {
    let used = match passkey.used_ms {
        0 => "never used".to_owned(),
        used_ms => format!("last used on {}", day(used_ms)),
    };
    format!("Added on {}, {used}.", day(passkey.created_ms))
}

fn form(kind: &str, begin: &str, action: &str, fields: &str, button: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\" data-passkey=\"{kind}\" data-begin=\"{begin}\">{}{}\
         <p>{fields}{button}</p><p role=\"alert\"></p>\
         <noscript><p>Passkeys need a script, which is off in this browser.</p></noscript></form>",
        hidden("passkey_ticket", ""),
        hidden("credential", ""),
    )
}

pub(super) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("passkeys.js")).into_response()
}

pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    Client(client): Client,
    PageForm(SignInForm { next, answered }): PageForm<SignInForm>,
) -> Result<Response, PageError> {
    let claim = async { passkeys::verify(&app, answered.read()?, Action::SignIn).await };
    let claim = limits::within_try(&app, client, Target::Code, None, claim).await?;
    let proof = Proof { claim, shown: Factors::Two, session_id: None };
    go_on(&app, proof, &Next::read(next.as_deref())).await
}

pub(super) async fn begin(
    State(app): State<Arc<App>>,
    _same_origin: SameOrigin,
    access: PageAccess,
    _nothing: JsonBody<Nothing>,
) -> Result<Json<Ceremony>, ApiError> {
    passkeys::begin_registration(&app, &access.fresh).await.map(Json)
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    access: PageAccess,
    PageForm(NewForm { name, answered }): PageForm<NewForm>,
) -> Result<Response, PageError> {
    let PasskeyAnswer { ticket, credential } = answered.read()?;
    let new = NewPasskey { ticket, name, credential };
    let (_, claim) = passkeys::finish_registration(&app, &access.fresh, new).await?;
    back(&app, &access, claim).await
}

pub(super) async fn rename(
    State(app): State<Arc<App>>,
    access: PageAccess,
    PageForm(Renamed { id, name }): PageForm<Renamed>,
) -> Result<Response, PageError> {
    passkeys::rename(&app, &access.fresh, id, &name).await?;
    Ok(see_other(&Next::Account.address(), []))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    access: PageAccess,
    PageForm(Removed { id }): PageForm<Removed>,
) -> Result<Response, PageError> {
    let claim = passkeys::remove(&app, &access.fresh, id).await?;
    back(&app, &access, claim).await
}

/// The change has ended this page session, too.
async fn back(app: &App, access: &PageAccess, claim: Claim) -> Result<Response, PageError> {
    Ok(see_other(&Next::Account.address(), [access.reopen(app, claim).await?]))
}

fn not_of_this_page() -> ApiError {
    ApiError::because(ErrorCode::BadRequest, "The form is not one of this page.")
}
