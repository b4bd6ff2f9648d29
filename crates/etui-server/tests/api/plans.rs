//! Plans bound growth and nothing else.

use etui_api::{ErrorCode, plan::AccountEntitlements, session::Session};
use etui_chain::{Change, Commit, Digest, Op};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Person, TestServer, commit_frames, object, put, record};

/// An account whose plan can be changed by another that administers the server.
struct Scene {
    server: TestServer,
    admin: Session,
    person: Person,
    session: Session,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let admin = server.sign_up(&Person::new(1)).await;
        let person = Person::new(2);
        let session = server.sign_up(&person).await;
        Self { server, admin, person, session }
    }

    async fn give(&self, entitlements: serde_json::Value) {
        let token = self.server.administer(&self.admin).await;
        let plan = self.server.ask(Method::PUT, "/v1/admin/plans/small", &token, Some(entitlements)).await;
        assert_eq!(plan.status, 204, "{plan:?}");
        let path = format!("/v1/admin/accounts/{}/plan", self.person.account_id);
        let given = self.server.ask(Method::PUT, &path, &token, Some(json!({ "plan": "small" }))).await;
        assert_eq!(given.status, 204, "{given:?}");
    }

    async fn push(&mut self, commit: Commit, records: &[Vec<u8>]) -> Answer {
        let path = format!("/v1/vaults/{}/commits", self.person.vault_id);
        let answer = self.server.post_frames(&path, &self.session, &commit_frames(&commit, records)).await;
        if answer.status == 200 {
            self.person.accept(&commit);
        }
        answer
    }

    async fn add(&mut self, number: u8) -> Answer {
        let (commit, records) = self.person.entry(number);
        self.push(commit, &records).await
    }

    async fn edit(&mut self, number: u8, version: u64) -> Answer {
        let record = record(self.person.vault_id, object(number), version);
        let commit = self.person.commit(vec![put(object(number), version, &record)]);
        self.push(commit, &[record]).await
    }

    async fn purge(&mut self, number: u8, version: u64) -> Answer {
        let (object_id, record_hash) = (object(number), Digest::ZERO);
        let purge = Change { object_id, version, op: Op::Purge, record_hash };
        let commit = self.person.commit(vec![purge]);
        self.push(commit, &[]).await
    }

    async fn entitlements(&self) -> AccountEntitlements {
        self.server.get("/v1/account/entitlements", &self.session).await.json()
    }
}

#[tokio::test]
async fn a_plan_without_room_refuses_what_grows_and_nothing_else() {
    let mut scene = Scene::new().await;
    scene.give(json!({ "entries": 3 })).await;
    for number in 1..=3 {
        assert_eq!(scene.add(number).await.status, 200);
    }
    let refused = scene.add(4).await;
    let problem = refused.problem();
    assert_eq!((refused.status, problem.code), (402, ErrorCode::PlanLimit));
    let limit = problem.limit.unwrap();
    assert_eq!((limit.what.as_str(), limit.allowed, limit.wanted), ("entries", 3, 4));
    insta::assert_json_snapshot!(refused.lasting_json());

    assert_eq!(scene.edit(1, 2).await.status, 200, "editing");
    assert_eq!(scene.purge(2, 2).await.status, 200, "deleting");
    assert_eq!(scene.entitlements().await.used.entries, 2);
    assert_eq!(scene.add(4).await.status, 200, "there is room again");

    scene.give(json!({ "entries": 4 })).await;
    assert_eq!(scene.add(5).await.status, 200, "a larger plan");
    assert_eq!(scene.add(6).await.code(), ErrorCode::PlanLimit);
}

#[tokio::test]
async fn a_smaller_plan_takes_nothing_away() {
    let mut scene = Scene::new().await;
    for number in 1..=3 {
        assert_eq!(scene.add(number).await.status, 200);
    }
    scene.give(json!({ "entries": 1, "devices": 0, "vaults": 0 })).await;
    let entitlements = scene.entitlements().await;
    assert_eq!(entitlements.plan, "small");
    assert_eq!((entitlements.used.entries, entitlements.entitlements.entries), (3, Some(1)));
    assert_eq!((entitlements.used.devices, entitlements.used.vaults), (1, 1));

    let path = format!("/v1/vaults/{}/changes?after=0", scene.person.vault_id);
    assert_eq!(scene.server.get(&path, &scene.session).await.frames().len(), 6, "all of it is read");
    assert_eq!(scene.edit(1, 2).await.status, 200);
    let state = scene.person.next_state();
    let frames = [etui_api::frame::Frame::State(state.as_bytes().to_vec())];
    let answer = scene.server.post_frames("/v1/states", &scene.session, &frames).await;
    assert_eq!(answer.status, 200, "a state that lists no more than before");
    scene.person.state = state;

    // One goes and one comes: no more than before.
    let record = record(scene.person.vault_id, object(4), 1);
    let purge = Change { object_id: object(2), version: 2, op: Op::Purge, record_hash: Digest::ZERO };
    let commit = scene.person.commit(vec![purge, put(object(4), 1, &record)]);
    assert_eq!(scene.push(commit, &[record]).await.status, 200);
    assert_eq!(scene.purge(3, 2).await.status, 200);
    assert_eq!(scene.add(5).await.code(), ErrorCode::PlanLimit, "there are two, and room for one");
}

#[tokio::test]
async fn a_feature_that_is_not_in_the_plan_is_refused_by_name() {
    let scene = Scene::new().await;
    scene.give(json!({ "features": [] })).await;
    let refused = scene.server.get("/v1/events", &scene.session).await;
    assert_eq!((refused.status, refused.code()), (403, ErrorCode::NotInPlan));
    insta::assert_json_snapshot!(refused.lasting_json());
}

#[tokio::test]
async fn an_own_default_plan_holds_for_everybody_without_another() {
    let server = TestServer::start_with(|settings| "free".clone_into(&mut settings.default_plan)).await;
    let session = server.sign_up(&Person::new(1)).await;
    let entitlements = server.get("/v1/account/entitlements", &session).await;
    insta::assert_json_snapshot!(entitlements.lasting_json());
}
