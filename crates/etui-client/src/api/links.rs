//! Signing in by a link.

use etui_api::{
    links::{AskForLink, LinkAsked, LinkSignIn},
    session::{Session, Token},
};
use etui_chain::DeviceId;
use reqwest::Method;

use super::{Api, answer::answered};
use crate::{ClientError, SecondFactor};

impl Api {
    /// Has a link sent, for this device.
    pub(crate) async fn ask_for_link(
        &self,
        email: &str,
        device_id: DeviceId,
    ) -> Result<LinkAsked, ClientError> {
        let ask = AskForLink { email: email.to_owned(), device_id };
        let request = self.request(Method::POST, "/v1/sign-ins/links").json(&ask);
        answered(request.timeout(self.patience.small_answer), "asking for a link").await
    }

    /// Signs in with one; without a ticket, with one that whoever runs the server has printed.
    pub(crate) async fn sign_in_with_link(
        &self,
        token: Token,
        ticket: Option<Token>,
        device_id: DeviceId,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        let sign_in = LinkSignIn { token, device_id, ticket };
        let request = self.request(Method::POST, "/v1/sessions/link").json(&sign_in);
        self.open_session(request, second_factor).await
    }
}
