//! A server on which somebody is in each of the states that a session, a device and an account can be in.

use std::sync::atomic::{AtomicU8, Ordering};

use data_encoding::BASE64URL_NOPAD;
use etui_api::session::{Session, SignIn};
use etui_chain::{DeviceId, Digest, Id};
use etui_server::tokens::{Bearer, LIFETIME_S, Scope, Tokens};
use etui_store::SessionId;
use reqwest::RequestBuilder;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};

use crate::support::{Person, TestServer, commit_frames, frames_body, object};

use super::Operation;

/// The id of the holder's passkey, as its authenticator calls it.
const PASSKEY: &[u8] = &[1];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Without a token.
    Nobody,
    /// With a token that no server issued.
    Garbage,
    /// With a token whose time is over.
    Expired,
    /// With a token of a session that was ended.
    Ended,
    /// With the ticket of a sign-in that lacks its second factor.
    Half,
    /// The holder of a disabled account.
    Disabled,
    /// A new device that nobody has approved.
    Waiting,
    /// The holder of an account that is being deleted.
    Leaving,
    /// The holder, who signed in a while ago.
    Stale,
    /// The holder of another account.
    Stranger,
    /// The holder.
    Holder,
    /// An administrator with an ordinary token.
    AdministratorWithoutScope,
    /// An administrator with a token for administration.
    WithScope,
    /// Somebody who was an administrator when the token was made.
    Demoted,
}

impl Asker {
    pub(super) const ALL: [Self; 14] = [
        Self::Nobody,
        Self::Garbage,
        Self::Expired,
        Self::Ended,
        Self::Half,
        Self::Disabled,
        Self::Waiting,
        Self::Leaving,
        Self::Stale,
        Self::Stranger,
        Self::Holder,
        Self::AdministratorWithoutScope,
        Self::WithScope,
        Self::Demoted,
    ];
}

/// An account that something is tried on.
pub(super) struct Target {
    person: Person,
    session: Session,
}

impl Target {
    /// The path with this account's own ids.
    pub(super) fn fill(&self, path: &str) -> String {
        let Person { account_id, device_id, vault_id, .. } = &self.person;
        path.replace("{account_id}", &account_id.to_string())
            .replace("{device_id}", &device_id.to_string())
            .replace("{vault_id}", &vault_id.to_string())
            .replace("{object_id}", &object(1).to_string())
            .replace("{passkey_id}", &Digest::of(&[PASSKEY]).to_string()[..32])
            .replace("{name}", "nothing")
    }

    /// What nobody else may be told.
    pub(super) fn canaries(&self) -> Vec<String> {
        let Person { account_id, device_id, vault_id, email, .. } = &self.person;
        vec![account_id.to_string(), device_id.to_string(), vault_id.to_string(), email.clone()]
    }

    /// A body that the operation takes, where refusing depends on what it names; elsewhere one of the right kind.
    pub(super) fn with_body(&self, request: RequestBuilder, operation: &Operation) -> RequestBuilder {
        match operation.body {
            None => request,
            Some(Kind::Json) => request.json(&json!({ "name": "mine" })),
            Some(Kind::Frames) => {
                let (commit, records) = self.person.entry(2);
                frames_body(request, &commit_frames(&commit, &records))
            }
        }
    }

    fn session_id(&self) -> Id {
        let payload = self.session.access_token.expose().split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap();
        serde_json::from_value(claims["sid"].clone()).unwrap()
    }
}

/// What an operation takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Json,
    Frames,
}

/// The server and whoever is in it.
pub(super) struct Scene {
    server: TestServer,
    database: DatabaseConnection,
    holder: Target,
    stranger: Target,
    administrator: Target,
    demoted: Target,
    disabled: Target,
    leaving: Target,
    stale: String,
    waiting: String,
    ended: String,
    half: String,
    people: AtomicU8,
}

impl Scene {
    pub(super) async fn set() -> Self {
        let server = TestServer::start().await;
        let file = server.folder().join("etui.db");
        let database = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
        let sign_up = async |number| {
            let person = Person::new(number);
            let session = server.sign_up(&person).await;
            Target { person, session }
        };
        // The first is the administrator.
        let administrator = sign_up(1).await;
        let mut holder = sign_up(2).await;
        server.push_entry(&mut holder.person, &holder.session, 1).await;
        let [stranger, demoted, disabled, leaving] =
            [sign_up(3).await, sign_up(4).await, sign_up(5).await, sign_up(6).await];
        let guarded = sign_up(7).await;
        let [stale, waiting, ended] = [8, 9, 10].map(|number| DeviceId::new([number; 16]).unwrap());
        let sign_in = async |device_id| {
            let sign_in = SignIn { device_id, ..holder.person.sign_in() };
            let answer = server.post_json("/v1/sessions", &sign_in).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json::<Session>()
        };
        let [stale_session, waiting_session, ended_session] =
            [sign_in(stale).await, sign_in(waiting).await, sign_in(ended).await];
        server.delete("/v1/sessions/current", &ended_session).await;

        let mut scene = Self {
            half: String::new(),
            people: AtomicU8::new(20),
            stale: token(&stale_session),
            waiting: token(&waiting_session),
            ended: token(&ended_session),
            server,
            database,
            holder,
            stranger,
            administrator,
            demoted,
            disabled,
            leaving,
        };
        scene.run("UPDATE account SET disabled_ms = 1 WHERE account_id = $1", &scene.disabled).await;
        scene
            .run("UPDATE account SET delete_at_ms = 9000000000000 WHERE account_id = $1", &scene.leaving)
            .await;
        scene
            .run(
                "INSERT INTO passkey (credential_id, account_id, name, body, created_ms, used_ms) \
             VALUES (x'01', $1, 'theirs', x'7b7d', 0, 0)",
                &scene.holder,
            )
            .await;
        scene
            .run(
                "INSERT INTO totp (account_id, secret, last_step, created_ms) VALUES ($1, x'00', 0, 0)",
                &guarded,
            )
            .await;
        scene.of_device("UPDATE session SET started_ms = 0 WHERE device_id = $1", stale).await;
        scene.of_device("UPDATE session SET awaits_approval = 1 WHERE device_id = $1", waiting).await;
        let problem = scene.server.post_json("/v1/sessions", &guarded.person.sign_in()).await.problem();
        problem.ticket.unwrap().expose().clone_into(&mut scene.half);
        scene
    }

    pub(super) const fn server(&self) -> &TestServer {
        &self.server
    }

    pub(super) const fn holder(&self) -> &Target {
        &self.holder
    }

    /// Somebody new, to whom anything may be done.
    pub(super) async fn somebody(&self) -> Target {
        let person = Person::new(self.people.fetch_add(1, Ordering::Relaxed));
        let session = self.server.sign_up(&person).await;
        Target { person, session }
    }

    /// What an asker shows who is to be refused.
    pub(super) fn token(&self, asker: Asker) -> Option<String> {
        Some(match asker {
            Asker::Nobody => return None,
            Asker::Garbage => "garbage".to_owned(),
            Asker::Expired => self.issue(&self.holder, Scope::Account, now_s() - 2 * u64::from(LIFETIME_S)),
            Asker::Ended => self.ended.clone(),
            Asker::Half => self.half.clone(),
            Asker::Disabled => token(&self.disabled.session),
            Asker::Waiting => self.waiting.clone(),
            Asker::Leaving => token(&self.leaving.session),
            Asker::Stale => self.stale.clone(),
            Asker::Stranger => token(&self.stranger.session),
            Asker::Holder => token(&self.holder.session),
            Asker::AdministratorWithoutScope => token(&self.administrator.session),
            Asker::WithScope => self.issue(&self.administrator, Scope::Admin, now_s()),
            Asker::Demoted => self.issue(&self.demoted, Scope::Admin, now_s()),
        })
    }

    /// What an asker shows who is to be heard: somebody new, brought into the same state.
    pub(super) async fn token_of(&self, asker: Asker, somebody: &Target) -> Option<String> {
        match asker {
            Asker::WithScope => return self.token(asker),
            Asker::Leaving => {
                self.run("UPDATE account SET delete_at_ms = 9000000000000 WHERE account_id = $1", somebody)
                    .await;
            }
            Asker::Stale => {
                self.run("UPDATE session SET started_ms = 0 WHERE account_id = $1", somebody).await;
            }
            Asker::AdministratorWithoutScope => {
                self.run("UPDATE account SET role = 'administrator' WHERE account_id = $1", somebody).await;
            }
            _ => {}
        }
        Some(token(&somebody.session))
    }

    /// Rows of everything that the holder has, counted and as they are.
    pub(super) async fn what_the_holder_has(&self) -> Vec<String> {
        let mut had = Vec::new();
        for path in ["/v1/devices", "/v1/keysets", "/v1/account/ways"] {
            had.push(format!("{:?}", self.server.get(path, &self.holder.session).await.lasting_json()));
        }
        let changes = format!("/v1/vaults/{}/changes", self.holder.person.vault_id);
        had.push(format!("{:?}", self.server.get(&changes, &self.holder.session).await.frames()));
        had
    }

    fn issue(&self, target: &Target, scope: Scope, now_s: u64) -> String {
        let tokens = Tokens::open(&self.server.folder().join("token.key")).unwrap();
        let bearer = Bearer {
            account_id: target.person.account_id,
            session_id: SessionId::new(target.session_id()),
            scope,
        };
        tokens.issue(bearer, now_s).expose().to_owned()
    }

    async fn run(&self, statement: &str, target: &Target) {
        let id = target.person.account_id.as_bytes().to_vec();
        self.execute(statement, id).await;
    }

    async fn of_device(&self, statement: &str, device_id: DeviceId) {
        self.execute(statement, device_id.as_bytes().to_vec()).await;
    }

    async fn execute(&self, statement: &str, value: Vec<u8>) {
        let backend = self.database.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, statement, [value.into()]);
        assert!(self.database.execute_raw(statement).await.unwrap().rows_affected() > 0);
    }
}

fn token(session: &Session) -> String {
    session.access_token.expose().to_owned()
}

fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
