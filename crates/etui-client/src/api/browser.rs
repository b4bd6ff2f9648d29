//! Signing in by a browser that lets this device in.

use etui_api::{
    browser::{CodeSignIn, DeviceCode, DeviceCodeSignIn, NewDeviceCode},
    session::{Session, Token},
};
use etui_chain::DeviceId;
use reqwest::Method;

use super::{Api, answer::answered};
use crate::{ClientError, SecondFactor};

impl Api {
    /// Signs in with what a browser on this computer has brought.
    pub(crate) async fn sign_in_with_code(
        &self,
        code: Token,
        verifier: Token,
        device_id: DeviceId,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        let sign_in = CodeSignIn { code, verifier, device_id };
        let request = self.request(Method::POST, "/v1/sessions/code").json(&sign_in);
        self.open_session(request, second_factor).await
    }

    /// Asks to be let in by a browser elsewhere.
    pub(crate) async fn begin_device_code(&self, device_id: DeviceId) -> Result<DeviceCode, ClientError> {
        let request = self.request(Method::POST, "/v1/device-codes").json(&NewDeviceCode { device_id });
        answered(request.timeout(self.patience.small_answer), "asking to be let in").await
    }

    /// Signs in if that was decided.
    pub(crate) async fn sign_in_with_device_code(
        &self,
        device_code: &Token,
        second_factor: Option<&SecondFactor>,
    ) -> Result<Session, ClientError> {
        let sign_in = DeviceCodeSignIn { device_code: device_code.clone() };
        let request = self.request(Method::POST, "/v1/sessions/device-code").json(&sign_in);
        self.open_session(request, second_factor).await
    }
}
