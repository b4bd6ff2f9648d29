//! Request bodies: JSON, and sequences of frames as they arrive.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::{FromRequest, Request},
};
use etui_api::{
    ErrorCode,
    frame::{self, Frame, FrameReader},
    limits::{MAX_JSON_BYTES, MAX_PUSH_BYTES},
};
use futures_util::StreamExt as _;
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// A sender that is silent for this long has gone away.
const SILENCE: Duration = Duration::from_secs(30);

/// A JSON body of at most [`MAX_JSON_BYTES`]. Unknown members are ignored.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        expect_content_type(request.headers(), "application/json")?;
        let mut pieces = Pieces::new(request.into_body(), MAX_JSON_BYTES);
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await? {
            bytes.extend_from_slice(&piece);
        }
        // What the parser says may quote the body: only the place is passed on.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let place =
                format!("The JSON is not as described, line {} column {}.", error.line(), error.column());
            ApiError::because(ErrorCode::BadRequest, place)
        })
    }
}

/// A body of frames, read one by one.
pub(crate) struct Frames {
    pieces: Pieces,
    reader: FrameReader,
}

impl Frames {
    /// Takes more than one push may hold.
    pub(crate) fn up_to(mut self, limit: usize) -> Self {
        self.pieces.limit = limit;
        self
    }

    /// The next frame; `None` once the end has been read and nothing follows it.
    ///
    /// # Errors
    /// `refused` for what is no sequence of frames, `too_large`, `bad_request` if the sender went away.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, ApiError> {
        loop {
            match self.reader.next_frame()? {
                Some(Frame::End(_)) => continue,
                Some(frame) => return Ok(Some(frame)),
                None => {}
            }
            let Some(piece) = self.pieces.next().await? else { break };
            self.reader.feed(&piece);
        }
        std::mem::take(&mut self.reader).finish()?;
        Ok(None)
    }
}

impl<S: Send + Sync> FromRequest<S> for Frames {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        expect_content_type(request.headers(), frame::CONTENT_TYPE)?;
        Ok(Self { pieces: Pieces::new(request.into_body(), MAX_PUSH_BYTES), reader: FrameReader::new() })
    }
}

/// A body as it arrives, with a limit on its size and on the sender's silence.
struct Pieces {
    stream: BodyDataStream,
    limit: usize,
    taken: usize,
}

impl Pieces {
    fn new(body: Body, limit: usize) -> Self {
        Self { stream: body.into_data_stream(), limit, taken: 0 }
    }

    async fn next(&mut self) -> Result<Option<bytes::Bytes>, ApiError> {
        let cut_short = || ApiError::because(ErrorCode::BadRequest, "The request's body was cut short.");
        let piece = tokio::time::timeout(SILENCE, self.stream.next()).await.map_err(|_| cut_short())?;
        let Some(piece) = piece.transpose().map_err(|_| cut_short())? else { return Ok(None) };
        self.taken += piece.len();
        if self.taken > self.limit {
            return Err(ApiError::because(
                ErrorCode::TooLarge,
                format!("At most {} bytes are taken here.", self.limit),
            ));
        }
        Ok(Some(piece))
    }
}

fn expect_content_type(headers: &HeaderMap, expected: &str) -> Result<(), ApiError> {
    let given = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(ApiError::because(ErrorCode::UnsupportedMediaType, format!("Send {expected}.")))
    }
}
