//! What people are told without asking.

use etui_api::{
    ErrorCode,
    privacy::Deletion,
    session::{Session, SignIn},
};
use etui_chain::DeviceId;
use time::OffsetDateTime;

use super::Mailing;
use crate::support::Person;

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
