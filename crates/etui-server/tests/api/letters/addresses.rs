//! Another e-mail address: confirmed by a letter to it, and told to the one before.

use etui_api::{
    ErrorCode,
    session::{LoginProof, Session, SignIn},
    ways::{EmailConfirmation, NewEmail, Ways},
};

use super::{Mailing, code};
use crate::support::{Person, TestServer};

const NEW: &str = "new@example.org";

fn new_email(email: &str) -> NewEmail {
    NewEmail { email: email.to_owned(), login_proof: Some(LoginProof::new([55; 32])) }
}

async fn email(server: &TestServer, session: &Session) -> String {
    server.get("/v1/account/ways", session).await.json::<Ways>().email
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let [person, other] = [Person::new(1), Person::new(2)];
    let (session, theirs) = (server.sign_up(&person).await, server.sign_up(&other).await);
    let answer = server.post_as("/v1/account/email", &session, &new_email("New@Example.org")).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(email(server, &session).await, person.email, "nothing has changed");
    let letter = mailing.letter(1);
    assert_eq!(letter.to, [NEW]);
    let token = code(&letter);
    let path = "/v1/account/email/confirm";
    let stolen = server.post_as(path, &theirs, &EmailConfirmation { token: token.clone() }).await;
    assert_eq!(stolen.code(), ErrorCode::NoLongerValid, "only the account that asked");
    let answer = server.post_as(path, &session, &EmailConfirmation { token: token.clone() }).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(email(server, &session).await, NEW);
    let again = server.post_as(path, &session, &EmailConfirmation { token }).await;
    assert_eq!(again.code(), ErrorCode::NoLongerValid);

    let told = mailing.smtp.wait_for(3).unwrap();
    let mut to: Vec<_> = told[1..].iter().flat_map(|letter| letter.to.clone()).collect();
    to.sort_unstable();
    assert_eq!(to, [NEW.to_owned(), person.email.clone()]);
    assert!(
        told[1..].iter().all(|letter| letter.text.contains("the e-mail address was changed")),
        "{told:?}"
    );

    let old = server.post_json("/v1/sessions", &person.sign_in()).await;
    assert_eq!(old.code(), ErrorCode::SignInFailed);
    let sign_in =
        SignIn { email: NEW.to_owned(), login_proof: LoginProof::new([55; 32]), ..person.sign_in() };
    assert_eq!(server.post_json("/v1/sessions", &sign_in).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_somebody_else_has_is_found_taken_by_its_holder_alone() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let [person, other] = [Person::new(1), Person::new(2)];
    let session = server.sign_up(&person).await;
    server.sign_up(&other).await;
    let answer = server.post_as("/v1/account/email", &session, &new_email(&other.email)).await;
    assert_eq!(answer.status, 202, "it looks the same");
    let token = code(&mailing.letter(1));
    let answer = server.post_as("/v1/account/email/confirm", &session, &EmailConfirmation { token }).await;
    assert_eq!(answer.code(), ErrorCode::Taken);
    assert_eq!(email(server, &session).await, person.email);
}

#[tokio::test]
async fn without_mail_it_changes_at_once_and_a_login_password_comes_along() {
    let server = TestServer::start().await;
    let [person, other] = [Person::new(1), Person::new(2)];
    let session = server.sign_up(&person).await;
    server.sign_up(&other).await;
    let without = NewEmail { email: NEW.to_owned(), login_proof: None };
    let answer = server.post_as("/v1/account/email", &session, &without).await;
    assert_eq!(answer.code(), ErrorCode::BadRequest, "the proof depends on the address");
    let answer = server.post_as("/v1/account/email", &session, &new_email(&other.email)).await;
    assert_eq!(answer.code(), ErrorCode::Taken);
    assert_eq!(server.post_as("/v1/account/email", &session, &new_email(NEW)).await.status, 204);
    assert_eq!(email(&server, &session).await, NEW);
}
