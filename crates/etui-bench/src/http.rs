//! One connection that is kept open, as devices keep theirs.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to a server.
pub(crate) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting to the server")?;
        stream.set_nodelay(true)?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests, host: address.to_owned() })
    }

    /// The body of the answer, which must be a success.
    pub(crate) async fn get(&mut self, path: &str, token: &str) -> anyhow::Result<Bytes> {
        let request =
            self.request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.answer(request.body(Full::default())?).await
    }

    /// Reads an answer to its end without keeping it; how many bytes it had.
    pub(crate) async fn drain(&mut self, path: &str, token: &str) -> anyhow::Result<u64> {
        let request =
            self.request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.requests.ready().await?;
        let mut body = self.requests.send_request(request.body(Full::default())?).await?.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
        }
        Ok(bytes)
    }

    /// The body of the answer, which must be a success.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        token: Option<&str>,
        kind: &str,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let mut request = self.request(Method::POST, path).header(header::CONTENT_TYPE, kind);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.answer(request.body(Full::new(body))?).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(header::HOST, &self.host)
    }

    async fn answer(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT),
            "the server answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}
