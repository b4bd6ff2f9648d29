//! What whoever runs a server can hand out: links to sign in with where no mail is sent, invitations by mail.

use std::process::{Command, Output};

use etui_api::{
    ErrorCode,
    links::LinkSignIn,
    session::{Session, Token},
    ways::Switch,
};
use etui_chain::DeviceId;
use etui_services::Smtp;
use reqwest::Method;

use crate::support::{Person, TestBrowser, TestServer, send};

/// The token of a link that is printed.
pub(crate) async fn printed(server: &TestServer, email: &str) -> Token {
    let output = print_link(server, email).await;
    assert!(output.status.success(), "{output:?}");
    let link = String::from_utf8(output.stdout).unwrap();
    Token::new(link.trim().rsplit_once("/sign-in/links/").unwrap().1.to_owned())
}

/// Beside the server, which goes on meanwhile: it may have the database's file locked.
async fn print_link(server: &TestServer, email: &str) -> Output {
    let (folder, email) = (server.folder().to_str().unwrap().to_owned(), email.to_owned());
    let print = move || admin(&["link", "--email", &email, "--data", &folder]);
    tokio::task::spawn_blocking(print).await.unwrap()
}

fn admin(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
    command.env_clear().arg("admin").args(arguments).output().unwrap()
}

fn sign_in(token: &Token, ticket: Option<Token>) -> LinkSignIn {
    LinkSignIn { token: token.clone(), device_id: DeviceId::new([9; 16]).unwrap(), ticket }
}

#[tokio::test]
async fn a_printed_link_signs_in_once_where_it_comes_first() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    let token = printed(&server, &person.email).await;
    let with_ticket = sign_in(&token, Some(Token::new("A".repeat(43))));
    let answer = server.post_json("/v1/sessions/link", &with_ticket).await;
    assert_eq!(answer.code(), ErrorCode::NoLongerValid, "it has no ticket");
    let answer = server.post_json("/v1/sessions/link", &sign_in(&token, None)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json::<Session>().account_id, person.account_id);
    let again = server.post_json("/v1/sessions/link", &sign_in(&token, None)).await;
    assert_eq!(again.code(), ErrorCode::NoLongerValid);

    let token = printed(&server, &person.email).await;
    let link = format!("{}/sign-in/links/{}", server.public_url(), token.expose());
    let mut browser = TestBrowser::new();
    let page = browser.open(&link).await;
    let arrived = browser.submit(&page, "/sign-in/links/", &[]).await;
    assert_eq!(arrived.url.path(), "/account");
    assert!(arrived.text.contains(&person.email), "{}", arrived.text);
}

#[tokio::test]
async fn none_is_printed_for_who_is_not_there_or_wants_none() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let nobody = print_link(&server, "nobody@example.org").await;
    assert!(!nobody.status.success());
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no account with that address"));
    let request = server.request(Method::PUT, "/v1/account/links").json(&Switch { on: false });
    assert_eq!(send(request.bearer_auth(session.access_token.expose())).await.status, 204);
    let unwanted = print_link(&server, &person.email).await;
    assert!(!unwanted.status.success() && unwanted.stdout.is_empty(), "{unwanted:?}");
}

#[tokio::test]
async fn an_invitation_goes_to_its_address() {
    let (server, smtp) = (TestServer::start().await, Smtp::start().unwrap());
    let (folder, mail_server) = (server.folder().to_str().unwrap(), smtp.address().to_string());
    let invite = |email: &str| {
        let mail = ["--mail", "--mail-server", &mail_server, "--mail-from", "etui@example.org"];
        let whole = [&["invite", "--data", folder, "--email", email][..], &mail[..]].concat();
        admin(&whole)
    };
    let output = invite("ada@example.org");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "The invitation is on its way.\n");
    let letter = smtp.received().unwrap().remove(0);
    assert_eq!(letter.to, ["ada@example.org"]);
    assert!(letter.text.contains("/invitation#"), "{}", letter.text);
    let refused = invite("refused@example.org");
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("550"));
}
