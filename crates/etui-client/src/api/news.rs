//! The server's news: a stream of which each piece means "pull".

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::{Method, Response};
use tokio::time::timeout;

use super::Api;
use crate::ClientError;

/// The server's news, as they come.
pub(crate) struct News {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>,
    silence: Duration,
}

impl Api {
    /// Follows the server's news.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub(crate) async fn news(&self) -> Result<News, ClientError> {
        let doing = "following the server's news";
        let asked = self.authorised(doing, || self.request(Method::GET, "/v1/events"));
        let too_long = |_| ClientError::Offline { doing, source: None };
        let response = timeout(self.patience.small_answer, asked).await.map_err(too_long)??;
        Ok(News::of(response, self.patience.silence))
    }
}

impl News {
    fn of(response: Response, silence: Duration) -> Self {
        Self { pieces: Box::pin(response.bytes_stream()), silence }
    }

    /// Waits for the next piece; false once there are no more, or the connection has been silent for so long that it is
    /// dead without anybody having said so.
    pub(crate) async fn next(&mut self) -> bool {
        match timeout(self.silence, self.pieces.next()).await {
            Ok(Some(Ok(piece))) => {
                piece.windows(5).any(|window| window == b"data:") || piece.first() == Some(&b':')
            }
            _ => false,
        }
    }
}
