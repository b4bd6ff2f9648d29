//! What administrators can do, and what nobody else can.

use etui_api::{
    ErrorCode,
    admin::{AdminAccountDetails, AdminAccounts, Flags, MadeInvitation, Plans, Role, Statistics},
    plan::AccountEntitlements,
    privacy::AuditEvent,
    privacy::AuditEvents,
    session::{Session, Token},
};
use etui_server::settings::SignUpPolicy;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, TestServer};

/// Two accounts, the first of which administers the server.
struct Scene {
    server: TestServer,
    admin: Person,
    admin_session: Session,
    person: Person,
    session: Session,
    token: Token,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (admin, person) = (Person::new(1), Person::new(2));
        let admin_session = server.sign_up(&admin).await;
        let session = server.sign_up(&person).await;
        let token = server.administer(&admin_session).await;
        Self { server, admin, admin_session, person, session, token }
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.ask(Method::GET, path, &self.token, None).await
    }

    async fn put(&self, path: &str, json: Value) -> Answer {
        self.server.ask(Method::PUT, path, &self.token, Some(json)).await
    }

    /// A path below that of an account.
    fn of(person: &Person, what: &str) -> String {
        format!("/v1/admin/accounts/{}{what}", person.account_id)
    }
}

#[tokio::test]
async fn a_token_for_administration_is_an_administrators_and_for_nothing_else() {
    let scene = Scene::new().await;
    let path = "/v1/sessions/current/admin";
    let refused = scene.server.ask(Method::POST, path, &scene.session.access_token, None).await;
    assert_eq!((refused.status, refused.code()), (403, ErrorCode::NotAllowed), "a person");
    for token in [&scene.session.access_token, &scene.admin_session.access_token] {
        let refused = scene.server.ask(Method::GET, "/v1/admin/accounts", token, None).await;
        assert_eq!((refused.status, refused.code()), (403, ErrorCode::NotAllowed), "without the scope");
    }
    let vault = format!("/v1/vaults/{}/changes?after=0", scene.admin.vault_id);
    for path in [vault.as_str(), "/v1/keysets", "/v1/states", "/v1/devices", "/v1/account/entitlements"] {
        let refused = scene.get(path).await;
        assert_eq!((refused.status, refused.code()), (403, ErrorCode::NotAllowed), "{path}");
    }
    // The scope alone administers nothing: whose token it is, is asked for each request.
    let role = Scene::of(&scene.person, "/role");
    assert_eq!(scene.put(&role, json!({ "role": "administrator" })).await.status, 204);
    let theirs = scene.server.administer(&scene.session).await;
    let accounts = async || scene.server.ask(Method::GET, "/v1/admin/accounts", &theirs, None).await;
    assert_eq!(accounts().await.status, 200);
    assert_eq!(scene.put(&role, json!({ "role": "person" })).await.status, 204);
    let refused = accounts().await;
    assert_eq!((refused.status, refused.code()), (403, ErrorCode::NotAllowed), "no administrator any more");
}

#[tokio::test]
async fn accounts_are_found_by_address() {
    let scene = Scene::new().await;
    let all: AdminAccounts = scene.get("/v1/admin/accounts").await.json();
    let addresses: Vec<_> = all.accounts.iter().map(|account| account.email.as_str()).collect();
    assert_eq!(addresses, ["person1@example.org", "person2@example.org"]);
    assert_eq!(all.next, None);
    for (query, expected) in [
        ("search=PERSON2", 1),
        ("search=example", 2),
        ("search=%25", 0),
        ("search=person_", 0),
        ("after=person1%40example.org", 1),
    ] {
        let found: AdminAccounts = scene.get(&format!("/v1/admin/accounts?{query}")).await.json();
        assert_eq!(found.accounts.len(), expected, "{query}");
    }
    let no_text = scene.get("/v1/admin/accounts?search=a%00b").await;
    assert_eq!(no_text.code(), ErrorCode::BadRequest, "PostgreSQL keeps no such text");
    let shown: AdminAccountDetails = scene.get(&Scene::of(&scene.person, "")).await.json();
    assert_eq!((shown.account.email.as_str(), shown.account.role), ("person2@example.org", Role::Person));
    assert_eq!((shown.sessions, shown.entitlements.plan.as_str()), (1, "self-hosted"));
    assert!(shown.bytes > 0);
    let nobody = format!("/v1/admin/accounts/{}", "ab".repeat(16));
    assert_eq!(scene.get(&nobody).await.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_disabled_account_is_out_until_it_is_enabled() {
    let scene = Scene::new().await;
    let path = Scene::of(&scene.person, "/disabled");
    assert_eq!(scene.put(&path, json!({ "disabled": true })).await.status, 204);
    let refused = scene.server.get("/v1/devices", &scene.session).await;
    assert_eq!((refused.status, refused.code()), (403, ErrorCode::AccountDisabled));
    let sign_in = scene.server.post_json("/v1/sessions", &scene.person.sign_in()).await;
    assert_eq!(sign_in.code(), ErrorCode::AccountDisabled);
    assert_eq!(scene.put(&path, json!({ "disabled": false })).await.status, 204);
    assert_eq!(scene.server.get("/v1/devices", &scene.session).await.status, 200);
    let refused = scene.server.refused(&scene.session, 1).await;
    assert_eq!(refused, [("sign_in".to_owned(), Some(scene.person.device_id))]);
}

/// One administrator of two did it, and whoever has the server did something, too: the log says which, here and as lines.
#[tokio::test]
async fn the_log_says_which_administrator_did_it() {
    let scene = Scene::new().await;
    let role = Scene::of(&scene.person, "/role");
    assert_eq!(scene.put(&role, json!({ "role": "administrator" })).await.status, 204);
    let plan = Scene::of(&scene.person, "/plan");
    let other = scene.server.administer(&scene.session).await;
    let changed = scene.server.ask(Method::PUT, &plan, &other, Some(json!({ "plan": "paid" }))).await;
    assert_eq!(changed.status, 204);
    let store = scene.server.look_into_store().await;
    store.set_plan(&store.operator(), scene.person.account_id, None, 0).await.unwrap();
    store.close().await;

    let own = scene.server.get("/v1/account/events", &scene.admin_session).await;
    let [admin, person] = [own, scene.server.get("/v1/account/events", &scene.session).await]
        .map(|answer| answer.json::<AuditEvents>().events);
    let [first, second] = [&admin, &person].map(|events| events[0].account.clone());
    let expected = [("operator", None), ("administrator", Some(second)), ("administrator", Some(first))];
    let told = |events: &[AuditEvent]| {
        let named = events.iter().map(|event| (event.actor.clone(), event.actor_id.clone()));
        named.filter(|(actor, _)| actor != "holder").collect::<Vec<_>>()
    };
    let expected: Vec<_> = expected.into_iter().map(|(actor, id)| (actor.to_owned(), id)).collect();
    assert_eq!(told(&person), expected);
    for path in ["/v1/account/events/export", "/v1/admin/events/export"] {
        let token = if path.contains("admin") { &scene.token } else { &scene.session.access_token };
        let lines = scene.server.ask(Method::GET, path, token, None).await;
        let lines = std::str::from_utf8(&lines.body).unwrap().lines();
        let lines: Vec<AuditEvent> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(told(&lines), expected, "{path}");
    }
}

#[tokio::test]
async fn somebody_always_administers_the_server() {
    let scene = Scene::new().await;
    let (own_role, own_disabled) = (Scene::of(&scene.admin, "/role"), Scene::of(&scene.admin, "/disabled"));
    for (path, json) in
        [(&own_role, json!({ "role": "person" })), (&own_disabled, json!({ "disabled": true }))]
    {
        let refused = scene.put(path, json).await;
        assert_eq!((refused.status, refused.code()), (409, ErrorCode::LastAdministrator));
    }
    let role = Scene::of(&scene.person, "/role");
    assert_eq!(scene.put(&role, json!({ "role": "administrator" })).await.status, 204);
    assert_eq!(scene.put(&own_role, json!({ "role": "person" })).await.status, 204);
    let after = scene.get("/v1/admin/accounts").await;
    assert_eq!(after.code(), ErrorCode::NotAllowed, "the role is looked up for every request");
}

#[tokio::test]
async fn whoever_is_signed_out_everywhere_signs_in_again() {
    let scene = Scene::new().await;
    let path = Scene::of(&scene.person, "/sessions");
    let ended = scene.server.ask(Method::DELETE, &path, &scene.token, None).await;
    assert_eq!(ended.json::<Value>(), json!({ "sessions": 1 }));
    assert_eq!(scene.server.get("/v1/devices", &scene.session).await.code(), ErrorCode::SessionEnded);
    assert_eq!(scene.server.post_json("/v1/sessions", &scene.person.sign_in()).await.status, 200);
}

#[tokio::test]
async fn a_flag_holds_for_a_share_and_for_whom_it_is_set() {
    let scene = Scene::new().await;
    let flag = async || {
        let answer = scene.server.get("/v1/account/entitlements", &scene.session).await;
        answer.json::<AccountEntitlements>().flags.get("search").copied()
    };
    let own = Scene::of(&scene.person, "/flags/search");
    assert_eq!(scene.put(&own, json!({ "enabled": true })).await.code(), ErrorCode::NotFound, "no flag yet");
    assert_eq!(flag().await, None);
    assert_eq!(scene.put("/v1/admin/flags/search", json!({ "share_percent": 0 })).await.status, 204);
    assert_eq!(flag().await, Some(false));
    assert_eq!(scene.put(&own, json!({ "enabled": true })).await.status, 204);
    assert_eq!(flag().await, Some(true));
    assert_eq!(scene.put("/v1/admin/flags/search", json!({ "share_percent": 100 })).await.status, 204);
    assert_eq!(scene.put(&own, json!({ "enabled": false })).await.status, 204);
    assert_eq!(flag().await, Some(false));
    let flags: Flags = scene.get("/v1/admin/flags").await.json();
    assert_eq!((flags.flags[0].share_percent, flags.flags[0].on_for, flags.flags[0].off_for), (100, 0, 1));
    assert_eq!(scene.put(&own, json!({})).await.status, 204);
    assert_eq!(flag().await, Some(true), "as the share decides");
    let removed = scene.server.ask(Method::DELETE, "/v1/admin/flags/search", &scene.token, None).await;
    assert_eq!((removed.status, flag().await), (204, None));
}

#[tokio::test]
async fn plans_are_rows_and_those_that_are_not_are_named() {
    let scene = Scene::new().await;
    let path = Scene::of(&scene.person, "/plan");
    let refused = scene.put(&path, json!({ "plan": "gold" })).await;
    assert_eq!((refused.status, refused.code()), (404, ErrorCode::NotFound));
    assert!(refused.problem().detail.unwrap().contains("`gold`"));
    let refused = scene.put("/v1/admin/plans/Gold", json!({})).await;
    assert_eq!(refused.code(), ErrorCode::BadRequest);
    assert_eq!(scene.put("/v1/admin/plans/gold", json!({ "devices": 5 })).await.status, 204);
    assert_eq!(scene.put(&path, json!({ "plan": "gold" })).await.status, 204);
    let plans: Plans = scene.get("/v1/admin/plans").await.json();
    let names: Vec<_> = plans.plans.iter().map(|plan| (plan.name.as_str(), plan.accounts)).collect();
    assert_eq!(names, [("free", 0), ("gold", 1), ("paid", 0), ("self-hosted", 1)]);
}

#[tokio::test]
async fn an_invitation_names_a_plan_that_there_is() {
    let scene = Scene::new().await;
    let invite =
        async |json| scene.server.ask(Method::POST, "/v1/admin/invitations", &scene.token, Some(json)).await;
    let made = invite(json!({ "email": "New@example.org", "plan": "paid", "days": 1 })).await;
    assert_eq!(made.status, 201);
    assert!(made.json::<MadeInvitation>().link.expose().contains("/invitation#"));
    assert_eq!(invite(json!({ "plan": "gold" })).await.code(), ErrorCode::NotFound);
    assert_eq!(invite(json!({ "email": "nobody" })).await.code(), ErrorCode::BadRequest);
}

#[tokio::test]
async fn statistics_count_what_there_is() {
    let mut scene = Scene::new().await;
    for number in 1..=2 {
        scene.server.push_entry(&mut scene.person, &scene.session, number).await;
    }
    let figures: Statistics = scene.get("/v1/admin/statistics").await.json();
    assert_eq!((figures.accounts, figures.disabled, figures.leaving), (2, 0, 0));
    assert_eq!((figures.devices, figures.vaults, figures.entries), (2, 2, 2));
    assert_eq!((figures.signed_up.day, figures.active.day, figures.active.month), (2, 2, 2));
    assert!(figures.bytes > 0);
}

#[tokio::test]
async fn the_last_administrator_leaves_nobody_alone() {
    let scene = Scene::new().await;
    let leave = async |session: &Session| scene.server.delete("/v1/account", session).await;
    let refused = leave(&scene.admin_session).await;
    assert_eq!(refused.code(), ErrorCode::LastAdministrator);
    assert!(refused.problem().detail.unwrap().contains("Make somebody else an administrator first"));
    let role = Scene::of(&scene.person, "/role");
    assert_eq!(scene.put(&role, json!({ "role": "administrator" })).await.status, 204);
    assert_eq!(leave(&scene.admin_session).await.status, 200);
    let alone = leave(&scene.session).await;
    assert_eq!(alone.status, 200, "nobody is left who stays: {alone:?}");
}

#[tokio::test]
async fn whoever_signs_up_first_at_a_public_server_administers_nothing() {
    let server = TestServer::start_with(|settings| {
        settings.sign_up = SignUpPolicy::Open;
        settings.public_url = Some("https://etui.example.org".to_owned());
    });
    let server = server.await;
    let session = server.sign_up(&Person::new(1)).await;
    let refused = server.ask(Method::POST, "/v1/sessions/current/admin", &session.access_token, None).await;
    assert_eq!(refused.code(), ErrorCode::NotAllowed);
}
