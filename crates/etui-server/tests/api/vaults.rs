//! Pushing and pulling.

use etui_api::{
    ErrorCode,
    frame::Frame,
    sync::{PullHeader, Pushed, decode_header},
};
use etui_chain::{Commit, Digest};

use crate::support::{Person, TestServer, commit_frames, object, put, record};

#[tokio::test]
async fn what_was_pushed_is_pulled_verbatim() {
    let server = TestServer::start().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    server.push_entry(&mut person, &session, 1).await;
    server.push_entry(&mut person, &session, 2).await;
    let pull = async |after: u64| {
        let path = format!("/v1/vaults/{}/changes?after={after}", person.vault_id);
        server.get(&path, &session).await
    };

    let snapshot = pull(0).await.frames();
    let Frame::Header(header) = &snapshot[0] else { panic!("the header comes first") };
    let header: PullHeader = decode_header(header).unwrap();
    assert_eq!(header.head, person.ledger.head());
    assert_eq!((header.state_version, header.state_hash), (1, person.state.hash()));
    let commits: Vec<_> = snapshot.iter().filter(|frame| matches!(frame, Frame::Commit(_))).collect();
    assert_eq!(commits.len(), 1);
    let records = snapshot.iter().filter(|frame| matches!(frame, Frame::Record(_))).count();
    assert_eq!(records, 3, "two entries and the vault's settings");

    let delta = pull(2).await.frames();
    let expected = record(person.vault_id, object(2), 1);
    assert!(matches!(&delta[1..], [Frame::Commit(commit), Frame::Record(bytes)]
        if Commit::parse(commit).unwrap().hash() == header.head.hash && *bytes == expected));

    let nothing = pull(3).await;
    assert!(nothing.body.len() <= 300, "{} bytes for no news", nothing.body.len());
    assert_eq!(nothing.frames().len(), 1);

    let history = server.get(&format!("/v1/vaults/{}/commits?after=1", person.vault_id), &session).await;
    assert_eq!(history.frames().len(), 2);
    let one = server.get(&format!("/v1/vaults/{}/records/{}", person.vault_id, object(2)), &session).await;
    assert_eq!((one.status, one.body), (200, expected));
}

#[tokio::test]
async fn a_commit_may_be_sent_again_and_a_rival_is_told_the_head() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let path = format!("/v1/vaults/{}/commits", person.vault_id);
    let (commit, records) = person.entry(1);
    let (rival, rival_records) = person.entry(2);
    for _ in 0..2 {
        let answer = server.post_frames(&path, &session, &commit_frames(&commit, &records)).await;
        assert_eq!(answer.json::<Pushed>().head.hash, commit.hash());
    }
    let answer = server.post_frames(&path, &session, &commit_frames(&rival, &rival_records)).await;
    let problem = answer.problem();
    assert_eq!(problem.code, ErrorCode::HeadMoved);
    assert_eq!(problem.head.unwrap().hash, commit.hash());
    insta::assert_json_snapshot!(answer.lasting_json());
}

#[tokio::test]
async fn what_does_not_verify_is_refused_by_name() {
    let server = TestServer::start().await;
    let person = Person::new(1);
    let session = server.sign_up(&person).await;
    let path = format!("/v1/vaults/{}/commits", person.vault_id);
    let (commit, records) = person.entry(1);
    let push = async |frames: Vec<Frame>| server.post_frames(&path, &session, &frames).await;

    let mut altered = records.clone();
    *altered[0].last_mut().unwrap() ^= 1;
    let answer = push(commit_frames(&commit, &altered)).await;
    assert_eq!((answer.code(), answer.problem().refusal.as_deref()), (ErrorCode::Refused, Some("forged")));
    insta::assert_json_snapshot!(answer.lasting_json());

    let mut unsigned = commit_frames(&commit, &records);
    let Frame::Commit(bytes) = &mut unsigned[0] else { panic!("the commit comes first") };
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(push(unsigned).await.problem().refusal.as_deref(), Some("forged"));

    let wanting = push(commit_frames(&commit, &[])).await;
    assert_eq!(wanting.code(), ErrorCode::Refused);

    let tiny = [commit_frames(&commit, &records), vec![Frame::Record(vec![0; 135])]].concat();
    assert_eq!(push(tiny).await.problem().refusal.as_deref(), Some("truncated"), "on the way already");

    let skipped = person.commit(vec![put(object(1), 1, &records[0])]);
    let other_vault = format!("/v1/vaults/{}/commits", "ab".repeat(16));
    let answer = server.post_frames(&other_vault, &session, &commit_frames(&skipped, &records)).await;
    assert!(matches!(answer.code(), ErrorCode::NotFound | ErrorCode::Refused), "{answer:?}");

    let pull = server.get(&format!("/v1/vaults/{}/changes?after=1", person.vault_id), &session).await;
    assert_eq!(pull.frames().len(), 1, "nothing was taken");
}

#[tokio::test]
async fn nobody_reaches_the_vault_of_another() {
    let server = TestServer::start().await;
    let (one, other) = (Person::new(1), Person::new(2));
    let _ = server.sign_up(&one).await;
    let session = server.sign_up(&other).await;
    let vault = one.vault_id;
    for path in [
        format!("/v1/vaults/{vault}/changes"),
        format!("/v1/vaults/{vault}/commits"),
        format!("/v1/vaults/{vault}/records/{}", object(1)),
    ] {
        assert_eq!(server.get(&path, &session).await.code(), ErrorCode::NotFound, "{path}");
    }
    let (commit, records) = one.entry(1);
    let path = format!("/v1/vaults/{vault}/commits");
    let answer = server.post_frames(&path, &session, &commit_frames(&commit, &records)).await;
    assert_eq!(answer.code(), ErrorCode::NotFound);
    assert_ne!(commit.hash(), Digest::ZERO);
}
