//! Request bodies: JSON, and sequences of frames as they arrive.

use std::{sync::Arc, time::Duration};

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{app::App, problem::ApiError};

/// A sender that is silent for this long has gone away.
const SILENCE: Duration = Duration::from_secs(30);
/// What every body may take without asking, so that large uploads never stand in the way of everyday ones.
const SMALL_BYTES: usize = 1 << 20;
/// Larger bodies take their room in pieces of this size.
const ROOM_BYTES: usize = 64 << 10;

/// Room in memory for the bodies of large uploads, shared by all requests.
pub(crate) struct UploadRoom(Arc<Semaphore>);

impl UploadRoom {
    /// Room for so many bytes at once, small bodies apart.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / ROOM_BYTES)))
    }
}

/// A JSON body of at most [`MAX_JSON_BYTES`]. Unknown members are ignored.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        expect_content_type(request.headers(), "application/json")?;
        let mut pieces = Pieces::new(request.into_body(), MAX_JSON_BYTES, None);
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await? {
            bytes.extend_from_slice(&piece);
        }
        // A list would be taken for an object whose members come without their names.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::because(ErrorCode::BadRequest, "The JSON is not an object."));
        }
        // What the parser says may quote the body: only the place is passed on.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let place =
                format!("The JSON is not as described, line {} column {}.", error.line(), error.column());
            ApiError::because(ErrorCode::BadRequest, place)
        })
    }
}

/// A body of frames, read one by one. What it takes of the [`UploadRoom`] it holds until it is dropped: keep it for as
/// long as its frames.
pub(crate) struct Frames {
    pieces: Pieces,
    reader: FrameReader,
}

impl Frames {
    /// Takes more, or less, than one push may hold.
    pub(crate) fn up_to(mut self, limit: usize) -> Self {
        self.pieces.limit = limit;
        self
    }

    /// The next frame; `None` once the end has been read and nothing follows it.
    ///
    /// # Errors
    /// `refused` for what is no sequence of frames, `too_large`, `unavailable` while other large uploads take all the
    /// room, `bad_request` if the sender went away.
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

impl FromRequest<Arc<App>> for Frames {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        expect_content_type(request.headers(), frame::CONTENT_TYPE)?;
        let pieces = Pieces::new(request.into_body(), MAX_PUSH_BYTES, Some(&app.upload_room));
        Ok(Self { pieces, reader: FrameReader::new() })
    }
}

/// A body as it arrives, with a limit on its size and on the sender's silence.
struct Pieces {
    stream: BodyDataStream,
    limit: usize,
    taken: usize,
    room: Option<Arc<Semaphore>>,
    held: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    fn new(body: Body, limit: usize, room: Option<&UploadRoom>) -> Self {
        let room = room.map(|room| Arc::clone(&room.0));
        Self { stream: body.into_data_stream(), limit, taken: 0, room, held: None }
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
        self.make_room()?;
        Ok(Some(piece))
    }

    /// Never waits: those who wait for each other's room would wait for ever.
    fn make_room(&mut self) -> Result<(), ApiError> {
        let Some(room) = &self.room else { return Ok(()) };
        let wanted = self.taken.saturating_sub(SMALL_BYTES).div_ceil(ROOM_BYTES);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more) = u32::try_from(wanted.saturating_sub(held)) else { return Ok(()) };
        if more == 0 {
            return Ok(());
        }
        let busy = || {
            ApiError::because(ErrorCode::Unavailable, "Too many large uploads at once; nothing was taken.")
        };
        let permit = Arc::clone(room).try_acquire_many_owned(more).map_err(|_| busy())?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(pieces: &mut Pieces) -> Result<(), ErrorCode> {
        while pieces.next().await.map_err(|error| error.problem().code)?.is_some() {}
        Ok(())
    }

    fn body(bytes: usize, room: &UploadRoom) -> Pieces {
        Pieces::new(Body::from(vec![0; bytes]), MAX_PUSH_BYTES, Some(room))
    }

    #[tokio::test]
    async fn large_bodies_share_the_room_and_small_ones_need_none() {
        let room = UploadRoom::new(4 * ROOM_BYTES);
        let mut first = body(SMALL_BYTES + 3 * ROOM_BYTES, &room);
        read(&mut first).await.unwrap();
        let too_much = read(&mut body(SMALL_BYTES + 2 * ROOM_BYTES, &room)).await;
        assert_eq!(too_much, Err(ErrorCode::Unavailable));
        read(&mut body(SMALL_BYTES + ROOM_BYTES, &room)).await.unwrap();
        read(&mut body(SMALL_BYTES, &room)).await.unwrap();
        drop(first);
        read(&mut body(SMALL_BYTES + 4 * ROOM_BYTES, &room)).await.unwrap();
        assert_eq!(room.0.available_permits(), 4, "all of it is given back");
    }
}
