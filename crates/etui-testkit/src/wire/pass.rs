//! Carrying one request over and its answer back.

use std::{error::Error, io, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, header::CONTENT_LENGTH};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::{Active, Shared, traffic::Place};
use crate::evil::{Answer, Ending, Question};

type AnyError = Box<dyn Error + Send + Sync>;
type Body = BoxBody<Bytes, AnyError>;

/// Takes connections until the wire is dropped.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

/// One connection, until it ends or the wire is cut.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let service = service_fn(|request| pass(Arc::clone(&shared), request));
    let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // Where there is no server the connection just ends, as it does where nobody listens.
        _ = connection => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

async fn pass(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, AnyError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let earlier = if shared.is_honest() { Vec::new() } else { shared.traffic.all() };
    let place = shared.traffic.begin(&parts, &body);
    let _noted = Noted { shared: Arc::clone(&shared), place };
    shared.meet(&parts).await;
    let question = Question::new(parts.method.as_str(), &parts.uri, &earlier);
    let active = shared.active_for(&question);
    if !active.iter().all(|active| active.mutation.asks(&question)) {
        return lie(&shared, place, &question, &active, &Answer::default());
    }
    let answer = ask(&shared, Request::from_parts(parts.clone(), Full::new(body))).await;
    let answer = answer.inspect_err(|_| shared.traffic.fail(place))?;
    if active.is_empty() {
        return Ok(record(shared, place, answer));
    }
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let honest = Answer { status: parts.status, headers: parts.headers, body, ..Answer::default() };
    lie(&shared, place, &question, &active, &honest)
}

/// However an exchange ends, also if whoever asked is gone, it has ended.
struct Noted {
    shared: Arc<Shared>,
    place: Place,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.shared.traffic.give_up(self.place);
    }
}

async fn ask(shared: &Shared, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, AnyError> {
    let server = shared.route.server().ok_or(io::ErrorKind::ConnectionRefused).map_err(io::Error::from)?;
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// Passes the answer on as it comes.
fn record(shared: Arc<Shared>, place: Place, answer: Response<Incoming>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    shared.traffic.answer(place, parts.status, &parts.headers, false);
    let noting = Arc::clone(&shared);
    let body = body.map_frame(move |frame| {
        if let Some(bytes) = frame.data_ref() {
            noting.traffic.body(place, bytes);
        }
        frame
    });
    let body = body.map_err(move |error| {
        shared.traffic.cut_short(place);
        AnyError::from(error)
    });
    Response::from_parts(parts, body.boxed())
}

/// Alters an answer and passes it on, or hangs up.
fn lie(
    shared: &Shared,
    place: Place,
    question: &Question<'_>,
    active: &[Arc<Active>],
    honest: &Answer,
) -> Result<Response<Body>, AnyError> {
    let mut answer = active.iter().fold(honest.clone(), |answer, active| active.alter(question, answer));
    let is_altered = answer != *honest;
    // The length is that of the new body.
    answer.headers.remove(CONTENT_LENGTH);
    if answer.hangs_up {
        shared.traffic.hang_up(place);
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
    }
    shared.traffic.answer(place, answer.status, &answer.headers, is_altered);
    shared.traffic.body(place, &answer.body);
    let mut response = Response::new(body(Bytes::from(answer.body), answer.ending));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// The body of an altered answer, with what comes after it.
fn body(bytes: Bytes, ending: Ending) -> Body {
    if ending == Ending::Whole {
        return Full::new(bytes).map_err(|never| match never {}).boxed();
    }
    StreamBody::new(stream::unfold(Some(bytes), move |bytes| async move {
        if let Some(bytes) = bytes {
            return Some((Ok(Frame::data(bytes)), None));
        }
        if ending == Ending::Stalls {
            std::future::pending::<()>().await;
        }
        // What there is goes out first.
        tokio::task::yield_now().await;
        Some((Err(AnyError::from(io::Error::from(io::ErrorKind::ConnectionReset))), None))
    }))
    .boxed()
}
