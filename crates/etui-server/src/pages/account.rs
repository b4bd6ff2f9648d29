//! `GET /account`: the ways to sign in to an account, and what can be changed about them.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_api::ErrorCode;
use etui_store::{CredentialChange, Identity, Ways};
use http::StatusCode;
use serde::Deserialize;

use super::{Next, Page, PageError, PageForm, Visitor, access::Visit, devices, hidden, passkeys, see_other};
use crate::{app::App, document::escape, newcomer::Newcomer};

const WAITING: &str =
    "<h2>A device that waits for a code</h2><p><a href=\"/device\">Enter the code that it shows</a></p>";
const SIGN_OUT: &str = "<form method=\"post\" action=\"/sign-out\"><p><button class=\"quiet\">Sign out of these pages</button></p></form>";
const ONE_FACTOR: &str = "<p>New devices of this account have to be approved. So one factor is not enough to see or change \
     anything here: sign out, and sign in with a passkey or together with a second factor, or open this page from a device \
     that is signed in, with <code>etui account open</code>.</p>\
     <p>If no such device is left, and no second factor either, ask whoever runs the server.</p>";
const NOT_ASKED: &str = "<p>The provider vouches for you, and did not say that it has asked you to sign in just now. Whoever finds your \
     browser open could have come here like that, so nothing can be seen or changed here: sign out, and sign in again there, or in \
     another way, or open this page from a device that has just signed in, with <code>etui account open</code>.</p>";
const LEAVING: &str = "<p>This account is being deleted, and nothing of it can be changed. Until it is gone a device that is \
     signed in can keep it, with <code>etui account keep</code>.</p>";

#[derive(Deserialize)]
pub(super) struct Unlink {
    issuer: String,
    subject: String,
}

pub(super) async fn show(State(app): State<Arc<App>>, visit: Option<Visit>) -> Result<Response, PageError> {
    match visit.map(|visit| visit.visitor) {
        None => Ok(see_other(&Next::Account.sign_in(), [])),
        Some(Visitor::Newcomer(newcomer)) => Ok(no_account(&app, &newcomer)),
        Some(visitor @ Visitor::Kept(..)) => kept(&app, &visitor).await,
        Some(Visitor::Holder(access)) => {
            let ways = app.store.ways(access.fresh.account_id()).await?;
            let devices = devices::list(&app, &access).await?;
            Ok(Page::with_passkeys("Your account", &content(&app, &ways, &devices)).respond(StatusCode::OK))
        }
    }
}

pub(super) async fn unlink(
    State(app): State<Arc<App>>,
    access: super::PageAccess,
    PageForm(Unlink { issuer, subject }): PageForm<Unlink>,
) -> Result<Response, PageError> {
    let change = CredentialChange::UnlinkIdentity(Identity { issuer, subject });
    Ok(see_other(&Next::Account.address(), [access.change(&app, change).await?]))
}

fn content(app: &App, ways: &Ways, devices: &str) -> String {
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    format!(
        "<p>{email}</p><h2>Ways to sign in</h2>\
         <p>A change here signs out all other devices.</p>\
         <dl><dt>Login password</dt><dd>{password}</dd><dt>Second factor</dt><dd>{totp}</dd></dl>\
         {identities}{linkable}<h2>Passkeys</h2>{passkeys}\
         <h2>Devices that are signed in</h2>{devices}{WAITING}{SIGN_OUT}",
        email = escape(&ways.email),
        password = yes_or_no(ways.login_password),
        totp = yes_or_no(ways.totp),
        identities = ways.identities.iter().map(|identity| linked(app, identity)).collect::<String>(),
        linkable = linkable(app, ways),
        passkeys = passkeys::list(app, &ways.passkeys),
    )
}

/// Nothing may be changed, but a program may be let in that waits, or that keeps an account which is being deleted.
async fn kept(app: &App, visitor: &Visitor) -> Result<Response, PageError> {
    let who = super::who(app, visitor).await?;
    let why = match visitor {
        Visitor::Kept(_, why) => why.problem().code,
        _ => ErrorCode::DeviceNotApproved,
    };
    let why = match why {
        ErrorCode::AccountLeaving => LEAVING,
        ErrorCode::FreshSignInRequired => NOT_ASKED,
        _ => ONE_FACTOR,
    };
    let content = format!("<p>{who}</p>{why}{WAITING}{SIGN_OUT}");
    Ok(Page::new("Your account", &content).respond(StatusCode::OK))
}

fn linked(app: &App, identity: &Identity) -> String {
    let title = escape(app.providers.title(identity));
    format!(
        "<form method=\"post\" action=\"/account/unlink\">{}{}<p>{title}: {} <button class=\"quiet\">Unlink {title}</button></p></form>",
        hidden("issuer", &identity.issuer),
        hidden("subject", &identity.subject),
        escape(&identity.subject)
    )
}

fn linkable(app: &App, ways: &Ways) -> String {
    let others = app
        .providers
        .iter()
        .filter(|provider| !ways.identities.iter().any(|identity| provider.knows(identity)));
    let form = |provider: &crate::provider::Provider| {
        format!(
            "<form method=\"post\" action=\"/account/providers/{}\"><p><button class=\"quiet\">Link {}</button></p></form>",
            provider.name(),
            escape(provider.title())
        )
    };
    others.map(form).collect()
}

fn no_account(app: &App, newcomer: &Newcomer) -> Response {
    let content = format!(
        "<p>There is no account for {who} here yet. To make one, on a computer with the <code>etui</code> command:</p>\
         <pre>etui signup --browser --server {url}</pre>\
         <p>If you have an account already, <strong>sign out here</strong>, sign in in the usual way, and link it on \
         the page of your account.</p>\
         <form method=\"post\" action=\"/sign-out\"><p><button class=\"quiet\">Sign out</button></p></form>",
        who = escape(&newcomer.describe(app)),
        url = escape(&app.url)
    );
    Page::new("No account yet", &content).respond(StatusCode::OK)
}
