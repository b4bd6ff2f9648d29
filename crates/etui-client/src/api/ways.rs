//! The ways to sign in to the account.

use etui_api::{
    browser::HandOver,
    limits::MAX_JSON_ANSWER_BYTES,
    session::{LoginProof, Token},
    ways::{
        EmailAsked, EmailConfirmation, NewEmail, NewLoginPassword, PasskeyName, RecoveryCodes, Switch,
        TotpConfirmation, TotpSetup, Ways,
    },
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use super::{Api, answer::Answer};
use crate::ClientError;

const DOING: &str = "changing how the account is signed in to";

impl Api {
    /// Every way.
    pub(crate) async fn ways(&self) -> Result<Ways, ClientError> {
        self.get_json("/v1/account/ways", "fetching the ways to sign in", MAX_JSON_ANSWER_BYTES).await
    }

    /// Another login password.
    pub(crate) async fn set_login_password(&self, login_proof: LoginProof) -> Result<(), ClientError> {
        let body = NewLoginPassword { login_proof };
        self.change(|| self.request(Method::PUT, "/v1/account/login-password").json(&body)).await
    }

    /// None.
    pub(crate) async fn remove_login_password(&self) -> Result<(), ClientError> {
        self.change(|| self.request(Method::DELETE, "/v1/account/login-password")).await
    }

    /// Another address; what has to be waited for, where a letter confirms it first.
    pub(crate) async fn change_email(&self, new: &NewEmail) -> Result<Option<EmailAsked>, ClientError> {
        let request = || self.request(Method::POST, "/v1/account/email").json(new);
        let response = self.authorised(DOING, || request().timeout(self.patience.small_answer)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Ok(None);
        }
        Answer::to(response, DOING, MAX_JSON_ANSWER_BYTES).json().await.map(Some)
    }

    /// The letter to the new address has arrived.
    pub(crate) async fn confirm_email(&self, token: Token) -> Result<(), ClientError> {
        let body = EmailConfirmation { token };
        self.change(|| self.request(Method::POST, "/v1/account/email/confirm").json(&body)).await
    }

    /// Whether links by mail sign in.
    pub(crate) async fn switch_links(&self, on: bool) -> Result<(), ClientError> {
        self.change(|| self.request(Method::PUT, "/v1/account/links").json(&Switch { on })).await
    }

    /// Whether new devices are approved by others.
    pub(crate) async fn switch_device_approval(&self, on: bool) -> Result<(), ClientError> {
        self.change(|| self.request(Method::PUT, "/v1/account/device-approval").json(&Switch { on })).await
    }

    /// A secret for an authenticator app.
    pub(crate) async fn begin_totp(&self) -> Result<TotpSetup, ClientError> {
        self.changed(|| self.request(Method::POST, "/v1/account/totp")).await
    }

    /// The app shows the right code.
    pub(crate) async fn confirm_totp(
        &self,
        ticket: Token,
        code: Token,
    ) -> Result<RecoveryCodes, ClientError> {
        let body = TotpConfirmation { ticket, code };
        self.changed(|| self.request(Method::POST, "/v1/account/totp/confirm").json(&body)).await
    }

    /// No second factor any more.
    pub(crate) async fn remove_totp(&self) -> Result<(), ClientError> {
        self.change(|| self.request(Method::DELETE, "/v1/account/totp")).await
    }

    /// New recovery codes.
    pub(crate) async fn replace_recovery_codes(&self) -> Result<RecoveryCodes, ClientError> {
        self.changed(|| self.request(Method::POST, "/v1/account/recovery-codes")).await
    }

    /// Calls a passkey something else.
    pub(crate) async fn rename_passkey(&self, id: &str, name: &str) -> Result<(), ClientError> {
        let (path, body) = (format!("/v1/account/passkeys/{id}"), PasskeyName { name: name.to_owned() });
        self.change(|| self.request(Method::PATCH, &path).json(&body)).await
    }

    /// Removes a passkey.
    pub(crate) async fn remove_passkey(&self, id: &str) -> Result<(), ClientError> {
        let path = format!("/v1/account/passkeys/{id}");
        self.change(|| self.request(Method::DELETE, &path)).await
    }

    /// An address that opens the account in a browser.
    pub(crate) async fn hand_over(&self) -> Result<HandOver, ClientError> {
        self.changed(|| self.request(Method::POST, "/v1/hand-overs")).await
    }

    async fn change(&self, request: impl Fn() -> RequestBuilder) -> Result<(), ClientError> {
        self.authorised(DOING, || request().timeout(self.patience.small_answer)).await.map(drop)
    }

    async fn changed<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.authorised(DOING, || request().timeout(self.patience.small_answer)).await?;
        Answer::to(response, DOING, MAX_JSON_ANSWER_BYTES).json().await
    }
}
