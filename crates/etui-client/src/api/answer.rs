//! What a server answers, taken in only as far as an honest answer goes.

use bytes::Bytes;
use etui_api::{ErrorCode, Problem, limits::MAX_JSON_ANSWER_BYTES};
use etui_chain::{Refusal, Refused};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::ClientError;

/// The body of an answer, as it arrives.
pub(crate) struct Answer {
    response: Response,
    doing: &'static str,
    room_bytes: u64,
}

impl Answer {
    /// Of at most so many bytes.
    pub(super) const fn to(response: Response, doing: &'static str, limit_bytes: u64) -> Self {
        Self { response, doing, room_bytes: limit_bytes }
    }

    /// What has arrived of it; `None` at its end.
    ///
    /// # Errors
    /// `limit` if it is longer than it may be; [`ClientError::Offline`].
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        let piece = self.response.chunk().await.map_err(|source| offline(self.doing, source))?;
        self.holds(piece.as_ref().map_or(0, Bytes::len) as u64)?;
        Ok(piece)
    }

    /// Counts memory that the answer takes.
    ///
    /// # Errors
    /// `limit`.
    pub(super) fn holds(&mut self, bytes: u64) -> Result<(), Refused> {
        const TOO_LONG: Refused = Refusal::Limit.because("the server's answer is longer than an honest one");
        self.room_bytes = self.room_bytes.checked_sub(bytes).ok_or(TOO_LONG)?;
        Ok(())
    }

    /// All of it, as JSON.
    ///
    /// # Errors
    /// As [`Self::piece`]; [`ClientError::NotAServer`].
    pub(super) async fn json<T: DeserializeOwned>(mut self) -> Result<T, ClientError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            bytes.extend_from_slice(&piece);
        }
        let url = || self.response.url().origin().ascii_serialization();
        serde_json::from_slice(&bytes).map_err(|_| ClientError::NotAServer(url()))
    }
}

/// Sends a request of a small answer in JSON.
pub(super) async fn answered<T: DeserializeOwned>(
    request: RequestBuilder,
    doing: &'static str,
) -> Result<T, ClientError> {
    Answer::to(send(request, doing).await?, doing, MAX_JSON_ANSWER_BYTES).json().await
}

/// Sends a request; a problem is an error.
pub(super) async fn send(request: RequestBuilder, doing: &'static str) -> Result<Response, ClientError> {
    let response = request.send().await.map_err(|source| offline(doing, source))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(match Answer::to(response, doing, MAX_JSON_ANSWER_BYTES).json::<Problem>().await {
        Ok(problem) => match problem.code {
            ErrorCode::SignInFailed => ClientError::SignInFailed,
            ErrorCode::FreshSignInRequired => ClientError::FreshSignInNeeded,
            ErrorCode::DeviceNotApproved => ClientError::AwaitsApproval,
            ErrorCode::SessionEnded | ErrorCode::Unauthenticated => ClientError::SignedOut,
            _ => ClientError::Server(Box::new(problem)),
        },
        Err(_) if is_gateway(status) => ClientError::Offline { doing, source: None },
        Err(error) => error,
    })
}

/// What a proxy answers by itself when the server behind it cannot be reached.
fn is_gateway(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// The address in a transport error could tell what was asked for; it is left out.
fn offline(doing: &'static str, source: reqwest::Error) -> ClientError {
    ClientError::Offline { doing, source: Some(source.without_url()) }
}
