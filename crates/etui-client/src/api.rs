//! The server's operations, typed. Tokens are kept fresh here; what the answers mean is decided elsewhere.

mod answer;
mod browser;
mod history;
mod kept;
mod links;
mod news;
mod own_account;
mod patience;
mod states;
mod ways;

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
};

use bytes::Bytes;
use etui_api::{
    ErrorCode,
    account::{Devices, Keysets},
    frame::{self, Frame, FrameReader},
    limits::{
        MAX_CHANGES_ANSWER_BYTES, MAX_DEVICES_ANSWER_BYTES, MAX_JSON_ANSWER_BYTES, MAX_KEYSETS_ANSWER_BYTES,
    },
    plan::AccountEntitlements,
    server::ServerInfo,
    session::{self, LoginProof, Refresh, Session, SignIn, Token},
    sync::{Healed, PullHeader, Pushed, StatePushed, decode_header},
};
use etui_chain::{AccountId, Commit, DeviceId, Head, VaultId};
use etui_sync::{Pull, Snapshot};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::{ClientError, SecondFactor, evidence::Evidence};
pub(crate) use answer::Answer;
use answer::{answered, send};
pub(crate) use kept::KeptSession;
pub(crate) use patience::Patience;

const CURRENT_SESSION: &str = "/v1/sessions/current";
/// What a frame takes in memory beside its bytes: an answer of empty ones is not small.
const BESIDE_FRAME_BYTES: u64 = 64;

/// One server, and this device's session with it.
pub(crate) struct Api {
    server: String,
    http: reqwest::Client,
    patience: Patience,
    /// Whose sessions alone are taken; anybody's, while a device is being set up.
    account_id: Cell<Option<AccountId>>,
    access_token: RefCell<Option<Token>>,
    kept: RefCell<Option<KeptSession>>,
    /// One refresh at a time: a refresh token is good for one use.
    refreshing: tokio::sync::Mutex<()>,
}

impl Api {
    /// For a server at a URL.
    ///
    /// # Errors
    /// [`ClientError::NotAServer`] for something that is no HTTP address.
    pub(crate) fn new(server: &str) -> Result<Self, ClientError> {
        Self::with_patience(server, Patience::default())
    }

    /// The same with another patience.
    pub(crate) fn with_patience(server: &str, patience: Patience) -> Result<Self, ClientError> {
        let server = server.trim_end_matches('/').to_owned();
        let is_http = server.starts_with("http://") || server.starts_with("https://");
        if !is_http || reqwest::Url::parse(&server).is_err() {
            return Err(ClientError::NotAServer(server));
        }
        // Somebody else in this process may have installed it already; it is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connecting)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("etui/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| ClientError::Offline { doing: "starting", source: Some(source) })?;
        Ok(Self {
            server,
            http,
            patience,
            account_id: Cell::default(),
            access_token: RefCell::default(),
            kept: RefCell::default(),
            refreshing: tokio::sync::Mutex::default(),
        })
    }

    /// Where the server is.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// How long the server is waited for.
    pub(crate) const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Takes no session of another account any more: whoever lets this device in may have several.
    pub(crate) fn hold_to(&self, account_id: AccountId) {
        self.account_id.set(Some(account_id));
    }

    /// Takes up a session kept by the local store.
    pub(crate) fn resume(&self, kept: Option<KeptSession>) {
        *self.kept.borrow_mut() = kept;
    }

    /// The session as it is now, to be kept by the local store.
    pub(crate) fn kept(&self) -> Option<KeptSession> {
        self.kept.borrow().clone()
    }

    /// What the server says about itself.
    pub(crate) async fn server_info(&self) -> Result<ServerInfo, ClientError> {
        let request = self.request(Method::GET, "/v1/server").timeout(self.patience.small_answer);
        answered(request, "asking what the server offers").await
    }

    /// Signs up; `body` is [`etui_sync::NewAccount::frames`].
    pub(crate) async fn sign_up(&self, body: Vec<u8>) -> Result<Session, ClientError> {
        let request = self.frames_request("/v1/accounts", body.into());
        let session = answered(request, "signing up").await?;
        self.keep(&session);
        Ok(session)
    }

    /// Signs in with the login proof, and the second factor where the account asks for one.
    pub(crate) async fn sign_in(
        &self,
        email: &str,
        login_proof: LoginProof,
        device_id: DeviceId,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        let sign_in = SignIn { email: email.to_owned(), login_proof, device_id };
        let request = self.request(Method::POST, "/v1/sessions").json(&sign_in);
        self.open_session(request, second_factor).await
    }

    /// Opens a session by whatever the request shows, and the second factor where the account asks for one.
    async fn open_session(
        &self,
        request: RequestBuilder,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        match self.opened(request).await {
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::SecondFactorRequired => {
                self.show_second_factor(problem.ticket, second_factor).await
            }
            other => other,
        }
    }

    async fn show_second_factor(
        &self,
        ticket: Option<Token>,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        let ticket = ticket.ok_or_else(|| self.not_a_server())?;
        let second_factor = second_factor.ok_or(ClientError::SecondFactorNeeded)?;
        let mut refused = None;
        while let Some(factor) = second_factor.factor(refused.is_some()).await {
            let shown = session::SecondFactor { ticket: ticket.clone(), factor };
            let request = self.request(Method::POST, "/v1/sessions/second-factor").json(&shown);
            match self.opened(request).await {
                // The server counts the tries.
                Err(ClientError::Server(problem)) if problem.code == ErrorCode::WrongCode => {
                    refused = Some(ClientError::Server(problem));
                }
                other => return other,
            }
        }
        Err(refused.unwrap_or(ClientError::SecondFactorNeeded))
    }

    async fn opened(&self, request: RequestBuilder) -> Result<Session, ClientError> {
        // A renewal on its way would take the end of the former session for the end of this one.
        let _one_at_a_time = self.refreshing.lock().await;
        let session: Session = answered(request.timeout(self.patience.small_answer), "signing in").await?;
        if self.account_id.get().is_some_and(|own| own != session.account_id) {
            // Nobody is to find this device in an account that it is none of.
            let leave = self.request(Method::DELETE, CURRENT_SESSION).timeout(self.patience.small_answer);
            let _ = send(leave.bearer_auth(session.access_token.expose()), "signing out").await;
            return Err(ClientError::SignedInElsewhere);
        }
        self.keep(&session);
        Ok(session)
    }

    /// Ends the session on the server.
    pub(crate) async fn sign_out(&self) -> Result<(), ClientError> {
        self.done(Method::DELETE, CURRENT_SESSION, "signing out").await
    }

    /// What a device needs to unlock.
    pub(crate) async fn keysets(&self) -> Result<Keysets, ClientError> {
        self.get_json("/v1/keysets", "fetching the keysets", MAX_KEYSETS_ANSWER_BYTES).await
    }

    /// Devices with sessions, and those of the newest state.
    pub(crate) async fn devices(&self) -> Result<Devices, ClientError> {
        self.get_json("/v1/devices", "fetching the devices", MAX_DEVICES_ANSWER_BYTES).await
    }

    /// Lets a device in that waits.
    pub(crate) async fn approve_device(&self, device_id: DeviceId) -> Result<(), ClientError> {
        let path = format!("/v1/devices/{device_id}/approve");
        self.done(Method::POST, &path, "approving a device").await
    }

    /// Ends the sessions of a device.
    pub(crate) async fn sign_device_out(&self, device_id: DeviceId) -> Result<(), ClientError> {
        self.done(Method::DELETE, &format!("/v1/devices/{device_id}"), "signing a device out").await
    }

    /// Ends every other session of the account.
    pub(crate) async fn sign_others_out(&self) -> Result<(), ClientError> {
        self.done(Method::DELETE, "/v1/sessions/others", "signing the other devices out").await
    }

    /// Asks for something that is done or not.
    async fn done(&self, method: Method, path: &str, doing: &'static str) -> Result<(), ClientError> {
        let request = || self.request(method.clone(), path).timeout(self.patience.small_answer);
        self.authorised(doing, request).await.map(drop)
    }

    /// Plan, use and flags.
    pub(crate) async fn entitlements(&self) -> Result<AccountEntitlements, ClientError> {
        self.get_json("/v1/account/entitlements", "fetching the plan", MAX_JSON_ANSWER_BYTES).await
    }

    /// Pushes a state; `body` is [`etui_sync::state_frames`].
    pub(crate) async fn push_state(
        &self,
        body: Vec<u8>,
        evidence: &mut Evidence,
    ) -> Result<StatePushed, ClientError> {
        self.post_frames("/v1/states", "sending the account's state", body, evidence).await
    }

    /// Pushes a commit; `body` is [`etui_sync::push_frames`].
    pub(crate) async fn push(
        &self,
        vault_id: VaultId,
        body: Vec<u8>,
        evidence: &mut Evidence,
    ) -> Result<Pushed, ClientError> {
        let path = format!("/v1/vaults/{vault_id}/commits");
        self.post_frames(&path, "sending changes", body, evidence).await
    }

    /// What came after a head.
    pub(crate) async fn changes(
        &self,
        vault_id: VaultId,
        after: u64,
        evidence: &mut Evidence,
    ) -> Result<Pull, ClientError> {
        let path = format!("/v1/vaults/{vault_id}/changes?after={after}");
        let mut header = None;
        let (mut commits, mut records) = (Vec::new(), Vec::new());
        self.each_frame(&path, "fetching changes", MAX_CHANGES_ANSWER_BYTES, evidence, |frame| {
            match frame {
                Frame::Header(bytes) => header = Some(decode_header::<PullHeader>(&bytes)?),
                Frame::Commit(bytes) => commits.push(Commit::parse(&bytes)?),
                Frame::Record(bytes) => records.push(bytes),
                _ => return Err(self.not_a_server()),
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        let header = header.ok_or_else(|| self.not_a_server())?;
        Ok(Pull { header, commits, records })
    }

    /// A vault whole.
    pub(crate) async fn snapshot(
        &self,
        vault_id: VaultId,
        evidence: &mut Evidence,
    ) -> Result<Snapshot, ClientError> {
        let mut pull = self.changes(vault_id, 0, evidence).await?;
        let missing = etui_chain::Refusal::Missing.because("a listed vault has no commit");
        let commit = pull.commits.pop().ok_or(missing)?;
        Ok(Snapshot { commit, records: pull.records })
    }

    /// Where the server stands in a vault, without anything of it; [`Head::NONE`] if it does not have the vault.
    pub(crate) async fn head(&self, vault_id: VaultId, evidence: &mut Evidence) -> Result<Head, ClientError> {
        const BEYOND_EVERY_HEAD: u64 = u64::MAX >> 1;
        match self.changes(vault_id, BEYOND_EVERY_HEAD, evidence).await {
            Ok(pull) => Ok(pull.header.head),
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::NotFound => Ok(Head::NONE),
            Err(error) => Err(error),
        }
    }

    /// Uploads what a restored server has lost.
    pub(crate) async fn heal(&self, body: Vec<u8>, evidence: &mut Evidence) -> Result<Healed, ClientError> {
        self.post_frames("/v1/heal", "bringing back what the server has lost", body, evidence).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server))
    }

    fn frames_request(&self, path: &str, body: Bytes) -> RequestBuilder {
        self.request(Method::POST, path)
            .timeout(self.patience.whole_answer)
            .header("content-type", frame::CONTENT_TYPE)
            .body(body)
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        doing: &'static str,
        limit_bytes: u64,
    ) -> Result<T, ClientError> {
        let request = || self.request(Method::GET, path).timeout(self.patience.whole_answer);
        Answer::to(self.authorised(doing, request).await?, doing, limit_bytes).json().await
    }

    async fn post_frames<T: DeserializeOwned>(
        &self,
        path: &str,
        doing: &'static str,
        body: Vec<u8>,
        evidence: &mut Evidence,
    ) -> Result<T, ClientError> {
        let body = Bytes::from(body);
        evidence.begin(&format!("POST {path}"));
        let response = self.authorised(doing, || self.frames_request(path, body.clone())).await?;
        let mut answer = Answer::to(response, doing, MAX_JSON_ANSWER_BYTES);
        let mut bytes = Vec::new();
        while let Some(piece) = answer.piece().await? {
            evidence.add(&piece);
            bytes.extend_from_slice(&piece);
        }
        serde_json::from_slice(&bytes).map_err(|_| self.not_a_server())
    }

    /// Hands the frames of an answer on as they arrive, its end left out, until it ends or is read far enough.
    async fn each_frame(
        &self,
        path: &str,
        doing: &'static str,
        limit_bytes: u64,
        evidence: &mut Evidence,
        mut visit: impl FnMut(Frame) -> Result<ControlFlow<()>, ClientError>,
    ) -> Result<(), ClientError> {
        let request = || self.request(Method::GET, path).timeout(self.patience.whole_answer);
        evidence.begin(&format!("GET {path}"));
        let mut answer = Answer::to(self.authorised(doing, request).await?, doing, limit_bytes);
        let mut reader = FrameReader::new();
        while let Some(piece) = answer.piece().await? {
            evidence.add(&piece);
            reader.feed(&piece);
            while let Some(frame) = reader.next_frame()? {
                answer.holds(BESIDE_FRAME_BYTES)?;
                if !matches!(frame, Frame::End(_)) && visit(frame)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(reader.finish()?)
    }

    /// Sends with the access token; a token that has expired is renewed once.
    async fn authorised(
        &self,
        doing: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, ClientError> {
        let held = self.access_token.borrow().clone();
        let token = match held {
            Some(token) => token,
            None => self.refresh(None).await?,
        };
        match send(request().bearer_auth(token.expose()), doing).await {
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::TokenExpired => {
                let token = self.refresh(Some(&token)).await?;
                send(request().bearer_auth(token.expose()), doing).await
            }
            other => other,
        }
    }

    /// A fresh access token, unless somebody else has fetched one in the meantime.
    async fn refresh(&self, stale: Option<&Token>) -> Result<Token, ClientError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let held = self.access_token.borrow().clone();
        if let Some(held) = held.filter(|held| Some(held) != stale) {
            return Ok(held);
        }
        let KeptSession { refresh_token, request_id } = self.kept().ok_or(ClientError::SignedOut)?;
        let refresh = Refresh { refresh_token: Some(refresh_token), request_id: Some(request_id) };
        let request = self.request(Method::POST, "/v1/sessions/refresh").json(&refresh);
        let doing = "renewing the session";
        let session: Session = match send(request.timeout(self.patience.small_answer), doing).await {
            Ok(response) => Answer::to(response, doing, MAX_JSON_ANSWER_BYTES).json().await?,
            Err(error) => {
                if matches!(error, ClientError::SignedOut) {
                    *self.kept.borrow_mut() = None;
                }
                return Err(error);
            }
        };
        self.keep(&session);
        Ok(session.access_token)
    }

    pub(crate) fn keep(&self, session: &Session) {
        *self.access_token.borrow_mut() = Some(session.access_token.clone());
        *self.kept.borrow_mut() = session.refresh_token.clone().map(KeptSession::new);
    }

    fn not_a_server(&self) -> ClientError {
        ClientError::NotAServer(self.server.clone())
    }
}

#[cfg(test)]
mod tests;
