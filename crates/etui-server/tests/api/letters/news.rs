//! What people are told without asking.

use etui_api::{
    ErrorCode,
    frame::Frame,
    privacy::Deletion,
    session::{Factor, SecondFactor, Session, SignIn, Token},
};
use etui_chain::{DeviceId, State};
use time::OffsetDateTime;

use super::Mailing;
use crate::{second_factor, support::Person};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_was_never_seen_is_told_of_by_mail_once() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let person = Person::new(1);
    server.sign_up(&person).await;
    assert_eq!(
        server.post_json("/v1/sessions", &person.sign_in()).await.status,
        200,
        "known from signing up"
    );
    for number in [9, 9, 8] {
        let sign_in = SignIn { device_id: DeviceId::new([number; 16]).unwrap(), ..person.sign_in() };
        let session: Session = server.post_json("/v1/sessions", &sign_in).await.json();
        assert_eq!(server.get("/v1/devices", &session).await.status, 200);
    }
    let received = mailing.smtp.wait_for(2).unwrap();
    assert_eq!(received.len(), 2, "{received:?}");
    for letter in received {
        assert_eq!(letter.to, std::slice::from_ref(&person.email));
        assert_eq!(letter.subject, "A new device has signed in to Etui");
        assert!(letter.text.contains("with your login password, on 20"), "{}", letter.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_how_an_account_is_unlocked_is_told_of_by_mail_once() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    let push = async |state: &State| {
        let frames = [Frame::State(state.as_bytes().to_vec())];
        let answer = server.post_frames("/v1/states", &session, &frames).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    person.state = person.next_state();
    push(&person.state).await;
    person.state = person.next_state_with(|body| body.kdf.t += 1);
    for _ in 0..2 {
        push(&person.state).await;
    }
    let letter = mailing.letter(1);
    assert_eq!((letter.to, letter.subject.as_str()), (vec![person.email], "How you unlock Etui has changed"));
    assert!(letter.text.contains("All other devices have been signed out."), "{}", letter.text);
    let done = server.done_by_the_holder(&session).await;
    assert_eq!(done.iter().filter(|(action, _, _)| action == "change_keys").count(), 1, "{done:?}");
    // The next letter shows that there was no other between.
    server.delete("/v1/account", &session).await;
    assert_eq!(mailing.letter(2).subject, "Your Etui account will be deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_code_that_was_used_is_told_of_by_mail_and_a_wrong_one_is_not() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let (_, codes) = second_factor::pages::guard(server, &session).await;
    assert_eq!(mailing.letter(1).subject, "How you sign in to Etui has changed");
    let ticket = server.post_json("/v1/sessions", &person.sign_in()).await.problem().ticket.unwrap();
    for (code, status) in [(Token::new("aaaa-aaaa-aaaa-aaaa".to_owned()), 401), (codes[0].clone(), 200)] {
        let shown = SecondFactor { ticket: ticket.clone(), factor: Factor::RecoveryCode(code) };
        assert_eq!(server.post_json("/v1/sessions/second-factor", &shown).await.status, status);
    }
    let letter = mailing.letter(2);
    assert_eq!(letter.to, [person.email]);
    assert_eq!(letter.subject, "A recovery code of your Etui account was used");
    assert!(!letter.text.contains(codes[0].expose()), "{}", letter.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_account_will_be_gone_is_told_by_mail_when() {
    let mailing = Mailing::start().await;
    let server = &mailing.server;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let deletion: Deletion = server.delete("/v1/account", &session).await.json();
    let again = server.delete("/v1/account", &session).await;
    assert_eq!(again.code(), ErrorCode::AccountLeaving);
    let letter = mailing.letter(1);
    assert_eq!(letter.to, [person.email]);
    assert_eq!(letter.subject, "Your Etui account will be deleted");
    let when = OffsetDateTime::from_unix_timestamp(i64::try_from(deletion.delete_at_ms / 1000).unwrap());
    let day = when.unwrap().date();
    assert!(letter.text.contains(&format!("On {day} ")), "{day}: {}", letter.text);
    assert_eq!(mailing.smtp.received().unwrap().len(), 1, "once");
}
