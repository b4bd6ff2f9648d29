//! Signing in by a link that comes by mail (R23): single use, ten minutes, bound to who asked.

use etui_api::{
    ErrorCode,
    links::{AskForLink, LinkAsked, LinkSignIn},
    session::{Session, Token},
    ways::{NewLoginPassword, Switch, Ways},
};
use etui_chain::DeviceId;
use futures_util::future::join_all;
use reqwest::Method;

use super::{Mailing, code};
use crate::{
    process::{Program, command},
    support::{Answer, Person, TestServer, client, frames_body, send},
};

fn device(number: u8) -> DeviceId {
    DeviceId::new([number; 16]).unwrap()
}

fn ask(email: &str, number: u8) -> AskForLink {
    AskForLink { email: email.to_owned(), device_id: device(number) }
}

async fn asked(server: &TestServer, email: &str, number: u8) -> LinkAsked {
    let answer = server.post_json("/v1/sign-ins/links", &ask(email, number)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

async fn sign_in(server: &TestServer, token: &Token, ticket: Option<&Token>, number: u8) -> Answer {
    let sign_in = LinkSignIn { token: token.clone(), device_id: device(number), ticket: ticket.cloned() };
    server.post_json("/v1/sessions/link", &sign_in).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticket_and_token_sign_the_device_in_once() {
    let Mailing { server, smtp } = Mailing::start().await;
    let person = Person::new(1);
    server.sign_up_by_letter(&person).await;
    let LinkAsked { ticket, expires_in_s } = asked(&server, &person.email.to_uppercase(), 9).await;
    assert_eq!(expires_in_s, 600);
    let letter = smtp.wait_for(1).unwrap().remove(0);
    assert_eq!(letter.to, std::slice::from_ref(&person.email));
    let token = code(&letter);
    let answer = sign_in(&server, &token, Some(&ticket), 9).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session: Session = answer.json();
    assert_eq!(session.account_id, person.account_id);
    assert_eq!(server.get("/v1/devices", &session).await.status, 200);
    assert_eq!(sign_in(&server, &token, Some(&ticket), 9).await.code(), ErrorCode::NoLongerValid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_of_them_is_worth_anything_alone_or_elsewhere() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let person = Person::new(1);
    let session = server.sign_up_by_letter(&person).await;
    let first = asked(server, &person.email, 9).await;
    let token = code(&mailing.letter(1));
    let second = asked(server, &person.email, 8).await;
    let other = code(&mailing.letter(2));
    let made_up = Token::new("A".repeat(43));
    for (token, ticket, number, why) in [
        (&token, None, 9, "no ticket, as for a link of the operator's"),
        (&token, Some(&second.ticket), 9, "the ticket of another request"),
        (&token, Some(&second.ticket), 8, "the ticket of another request, and its device"),
        (&token, Some(&first.ticket), 8, "another device"),
        (&token, Some(&made_up), 9, "a made-up ticket"),
        (&made_up, Some(&first.ticket), 9, "a made-up token"),
        (&first.ticket, Some(&first.ticket), 9, "the ticket twice"),
        (&token, Some(&token), 9, "the token twice"),
        (&other, Some(&first.ticket), 9, "the token of another request"),
    ] {
        assert_eq!(sign_in(server, token, ticket, number).await.code(), ErrorCode::NoLongerValid, "{why}");
    }
    // Each is noted with whose token it was.
    let refused = server.refused(&session, 7).await;
    assert_eq!(refused, vec![("sign_in".to_owned(), None); 7]);
    assert_eq!(sign_in(server, &token, Some(&first.ticket), 9).await.status, 200, "none of it used it up");
    assert_eq!(sign_in(server, &other, Some(&second.ticket), 8).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_learns_whether_there_is_an_account() {
    let Mailing { server, smtp } = Mailing::start().await;
    let [known, shy] = [Person::new(1), Person::new(2)];
    server.sign_up_by_letter(&known).await;
    let session = server.sign_up_by_letter(&shy).await;
    let request = server.request(Method::PUT, "/v1/account/links").json(&Switch { on: false });
    assert_eq!(send(request.bearer_auth(session.access_token.expose())).await.status, 204);
    smtp.wait_for(1).unwrap();

    let mut answers = Vec::new();
    // Letters are written in the order in which they were asked for: when the last is there, none of the others will come.
    for email in ["nobody@example.org", &shy.email, &known.email] {
        let answer = server.post_json("/v1/sign-ins/links", &ask(email, 9)).await;
        let LinkAsked { ticket, expires_in_s } = answer.json();
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((answer.status, names, ticket.expose().len(), expires_in_s));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let received = smtp.wait_for(2).unwrap();
    let to: Vec<_> = received.iter().flat_map(|letter| &letter.to).collect();
    assert_eq!(to, [&shy.email, &known.email], "the first is of the change, the second has the link");
    let impossible = server.post_json("/v1/sign-ins/links", &ask("no address", 9)).await;
    assert_eq!(impossible.code(), ErrorCode::BadRequest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_signs_in() {
    let Mailing { server, smtp } = Mailing::start().await;
    let person = Person::new(1);
    server.sign_up_by_letter(&person).await;
    let LinkAsked { ticket, .. } = asked(&server, &person.email, 9).await;
    let token = code(&smtp.wait_for(1).unwrap()[0]);
    let answers = join_all((0..8).map(|_| sign_in(&server, &token, Some(&ticket), 9))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_credentials_ends_links_that_are_on_their_way() {
    let Mailing { server, smtp } = Mailing::start().await;
    let person = Person::new(1);
    let session = server.sign_up_by_letter(&person).await;
    let LinkAsked { ticket, .. } = asked(&server, &person.email, 9).await;
    let token = code(&smtp.wait_for(1).unwrap()[0]);
    let new = NewLoginPassword { login_proof: etui_api::session::LoginProof::new([77; 32]) };
    let request = server.request(Method::PUT, "/v1/account/login-password").json(&new);
    assert_eq!(send(request.bearer_auth(session.access_token.expose())).await.status, 204);
    assert_eq!(sign_in(&server, &token, Some(&ticket), 9).await.code(), ErrorCode::NoLongerValid);
}

#[tokio::test]
async fn without_mail_there_are_no_links() {
    let server = TestServer::start().await;
    let answer = server.post_json("/v1/sign-ins/links", &ask("person1@example.org", 9)).await;
    assert_eq!(answer.code(), ErrorCode::NotOffered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_of_them_nor_the_address_reaches_the_log() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), etui_services::Smtp::start().unwrap());
    let server = smtp.address().to_string();
    let mut command = command(folder.path(), "127.0.0.1:0");
    let program = Program::of(command.args(["--mail-server", &server, "--mail-from", "etui@example.org"]));
    let client = client();
    let url = |path: &str| format!("{}{path}", program.url);
    let person = Person::new(1);
    let sign_up = frames_body(client.post(url("/v1/accounts")), &person.sign_up_frames());
    let session: Session = send(sign_up).await.json();
    let links = client.put(url("/v1/account/links")).json(&Switch { on: true });
    assert_eq!(send(links.bearer_auth(session.access_token.expose())).await.status, 204);
    smtp.wait_for(1).unwrap();
    for email in ["refused@example.org", &person.email] {
        send(client.post(url("/v1/sign-ins/links")).json(&ask(email, 9))).await;
    }
    let answer = send(client.post(url("/v1/sign-ins/links")).json(&ask(&person.email, 9))).await;
    let LinkAsked { ticket, .. } = answer.json();
    let token = code(&smtp.wait_for(3).unwrap()[2]);
    let page = format!("/sign-in/links/{}", token.expose());
    send(client.get(url(&page))).await;
    let sign_in = LinkSignIn { token: token.clone(), device_id: device(9), ticket: Some(ticket.clone()) };
    assert_eq!(send(client.post(url("/v1/sessions/link")).json(&sign_in)).await.status, 200);
    smtp.wait_for(4).unwrap();
    drop(client);
    program.ask_to_stop();
    let log = program.log();
    for never in [token.expose(), ticket.expose(), "example.org", &person.email] {
        assert!(!log.contains(never), "{never} is in the log:\n{log}");
    }
    assert!(log.contains("/v1/sessions/link"), "{log}");
}

/// Whoever signed up with an address that is not theirs, or mistyped it, is not signed in to by its holder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_nobody_has_confirmed_gets_no_link_unless_its_holder_wants_that() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let [unconfirmed, other] = [Person::new(1), Person::new(2)];
    let session = server.sign_up(&unconfirmed).await;
    server.sign_up_by_letter(&other).await;
    for email in [&unconfirmed.email, &other.email] {
        assert_eq!(server.post_json("/v1/sign-ins/links", &ask(email, 9)).await.status, 202);
    }
    assert_eq!(mailing.letter(1).to, [other.email], "letters come in the order in which they were asked for");
    let ways: Ways = server.get("/v1/account/ways", &session).await.json();
    assert!(!ways.links);
    let request = server.request(Method::PUT, "/v1/account/links").json(&Switch { on: true });
    assert_eq!(send(request.bearer_auth(session.access_token.expose())).await.status, 204);
    assert_eq!(mailing.letter(2).to, std::slice::from_ref(&unconfirmed.email), "of the change");
    assert_eq!(server.post_json("/v1/sign-ins/links", &ask(&unconfirmed.email, 9)).await.status, 202);
    assert_eq!(mailing.letter(3).to, [unconfirmed.email]);
}
