//! `GET /account`: the ways to sign in to an account, and what can be changed about them.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use etui_store::{CredentialChange, Identity, Ways};
use http::StatusCode;
use serde::Deserialize;

use super::{Next, Page, PageError, PageForm, Visitor, access::Visit, hidden, passkeys, see_other};
use crate::{app::App, credentials, document::escape, newcomer::Newcomer};

#[derive(Deserialize)]
pub(super) struct Unlink {
    issuer: String,
    subject: String,
}

pub(super) async fn show(State(app): State<Arc<App>>, visit: Option<Visit>) -> Result<Response, PageError> {
    match visit.map(|visit| visit.visitor) {
        None => Ok(see_other(&Next::Account.sign_in(), [])),
        Some(Visitor::Newcomer(newcomer)) => Ok(no_account(&app, &newcomer)),
        Some(Visitor::Holder(access)) => {
            let ways = app.store.ways(access.fresh.account_id()).await?;
            Ok(Page::with_passkeys("Your account", &content(&app, &ways)).respond(StatusCode::OK))
        }
    }
}

pub(super) async fn unlink(
    State(app): State<Arc<App>>,
    access: super::PageAccess,
    PageForm(Unlink { issuer, subject }): PageForm<Unlink>,
) -> Result<Response, PageError> {
    let change = CredentialChange::UnlinkIdentity(Identity { issuer, subject });
    credentials::change(&app, &access.fresh, change).await?;
    Ok(see_other(&Next::Account.address(), [access.reopen(&app).await?]))
}

fn content(app: &App, ways: &Ways) -> String {
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    format!(
        "<p>{email}</p><h2>Ways to sign in</h2>\
         <p>Every change here signs out all other devices.</p>\
         <table><tr><th>Login password</th><td>{password}</td></tr></table>{identities}{linkable}\
         <h2>Passkeys</h2>{passkeys}\
         <h2>A device that waits</h2><p><a href=\"/device\">Enter the code that it shows</a></p>\
         <form method=\"post\" action=\"/sign-out\"><p><button>Sign out of these pages</button></p></form>",
        email = escape(&ways.email),
        password = yes_or_no(ways.login_password),
        identities = ways.identities.iter().map(|identity| linked(app, identity)).collect::<String>(),
        linkable = linkable(app, ways),
        passkeys = passkeys::list(app, &ways.passkeys),
    )
}

fn linked(app: &App, identity: &Identity) -> String {
    let title = escape(app.providers.title(identity));
    format!(
        "<form method=\"post\" action=\"/account/unlink\">{}{}<p>{title}: {} <button>Unlink {title}</button></p></form>",
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
            "<form method=\"post\" action=\"/account/providers/{}\"><p><button>Link {}</button></p></form>",
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
         <form method=\"post\" action=\"/sign-out\"><p><button>Sign out</button></p></form>",
        who = escape(&newcomer.describe(app)),
        url = escape(&app.url)
    );
    Page::new("No account yet", &content).respond(StatusCode::OK)
}
