//! Bytes that come in and go out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;

/// The same body, whose bytes are counted: at once where it says how many it has, else as they pass.
pub(crate) fn counted(body: Body, counter: &Counter) -> Body {
    match body.size_hint().exact() {
        Some(bytes) => {
            counter.inc_by(bytes);
            body
        }
        None => Body::new(Counted { body, counter: counter.clone() }),
    }
}

struct Counted {
    body: Body,
    counter: Counter,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.counter.inc_by(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    #[tokio::test]
    async fn every_byte_is_counted_once() {
        let counter = Counter::default();
        drop(counted(Body::from("whole"), &counter));
        assert_eq!(counter.get(), 5);
        let pieces = stream::iter(["in ", "pieces"].map(Ok::<_, std::io::Error>));
        let streamed = counted(Body::from_stream(pieces), &counter);
        assert_eq!(counter.get(), 5, "nothing of it has passed yet");
        assert_eq!(streamed.into_data_stream().count().await, 2);
        assert_eq!(counter.get(), 14);
    }
}
