//! States, and healing.

use etui_api::{
    ErrorCode,
    frame::Frame,
    sync::{Healed, StatePushed, StatesHeader, decode_header},
};
use etui_chain::State;

use crate::support::{Person, TestServer};

#[tokio::test]
async fn a_new_state_is_taken_once_and_served_with_what_it_names() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    server.push_entry(&mut person, &session, 1).await;
    let next = person.next_state();
    let push = [Frame::State(next.as_bytes().to_vec())];
    let answer = server.post_frames("/v1/states", &session, &push).await;
    let pushed: StatePushed = answer.json();
    assert_eq!((pushed.version, pushed.hash), (2, next.hash()));

    let newest = server.get("/v1/states", &session).await.frames();
    let Frame::Header(header) = &newest[0] else { panic!("the header comes first") };
    assert_eq!(decode_header::<StatesHeader>(header).unwrap().newest, 2);
    assert_eq!(newest.iter().filter(|frame| matches!(frame, Frame::NamedRecord(_))).count(), 2);
    assert!(matches!(newest.last(), Some(Frame::State(bytes)) if State::parse(bytes).unwrap() == next));

    let since = server.get("/v1/states?after=1", &session).await.frames();
    assert_eq!(since.len(), 2, "nothing is newly named");
    assert_eq!(server.get("/v1/states?after=2", &session).await.frames().len(), 1);
}

#[tokio::test]
async fn a_state_over_another_head_has_moved() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    let early = person.next_state();
    server.push_entry(&mut person, &session, 1).await;
    let answer = server.post_frames("/v1/states", &session, &[Frame::State(early.as_bytes().to_vec())]).await;
    assert_eq!(answer.code(), ErrorCode::StateMoved);
}

#[tokio::test]
async fn healing_gives_back_only_what_is_wanting() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    let mut frames = person.sign_up_frames();
    frames.remove(0);
    let (commit, records) = person.entry(1);
    frames.extend(crate::support::commit_frames(&commit, &records));
    person.accept(&commit);
    let answer = server.post_frames("/v1/heal", &session, &frames).await;
    assert_eq!(answer.json::<Healed>(), Healed { states: 0, commits: 1 });
    let again = server.post_frames("/v1/heal", &session, &frames).await;
    assert_eq!(again.json::<Healed>(), Healed { states: 0, commits: 0 });
}
