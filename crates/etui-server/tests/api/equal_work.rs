//! Whether somebody has an account is told neither by the answer nor by the work that is done for it: as many hashes, and the same
//! things asked of the database, in the same order. Time follows from that, and is not measured in a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
};

use etui_api::{
    account::SignUp,
    frame::Frame,
    links::AskForLink,
    session::{LoginProof, SignIn, Token},
    sync::encode_header,
    ways::{NewEmail, Switch},
};
use etui_chain::DeviceId;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tracing::{
    Id, Subscriber,
    field::{Field, Visit},
    span::Attributes,
};
use tracing_subscriber::{
    Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

use crate::{
    letters::Mailing,
    support::{Answer, Person, TestServer, frames_body, send},
};

/// What is done within requests.
#[derive(Clone, Default)]
struct Work(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Work {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let is_of_a_request =
            context.span_scope(id).is_some_and(|mut scope| scope.any(|span| span.name() == "request"));
        let metadata = attributes.metadata();
        if is_of_a_request && metadata.target().starts_with("etui_") && metadata.name() != "request" {
            let mut doing = Doing(metadata.name().to_owned());
            attributes.record(&mut doing);
            self.0.lock().unwrap().push(doing.0);
        }
    }
}

/// What a span says that is being done.
struct Doing(String);

impl Visit for Doing {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "doing" {
            self.0 = format!("{}: {value:?}", self.0);
        }
    }
}

impl Work {
    /// All that the server does in this thread is seen from now on.
    fn watch() -> (Self, tracing::subscriber::DefaultGuard) {
        let work = Self::default();
        let guard = tracing_subscriber::registry().with(work.clone()).set_default();
        (work, guard)
    }

    /// The answer, as far as anybody sees it, and the work that was done for it.
    async fn of(&self, request: RequestBuilder) -> Seen {
        self.0.lock().unwrap().clear();
        let answer = send(request).await;
        Seen { answer: shape(&answer), work: std::mem::take(&mut *self.0.lock().unwrap()) }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: String,
    work: Vec<String>,
}

impl Seen {
    fn hashes(&self) -> usize {
        self.work.iter().filter(|doing| *doing == "hashing").count()
    }
}

/// Status, names of headers, and the body with what is drawn for each left out.
fn shape(answer: &Answer) -> String {
    let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
    let body = match serde_json::from_slice::<BTreeMap<String, Value>>(&answer.body) {
        Ok(json) => {
            format!("{:?}", json.iter().map(|(name, value)| (name, drawn(name, value))).collect::<Vec<_>>())
        }
        Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    format!("{} {headers:?} {body}", answer.status)
}

fn drawn(name: &str, value: &Value) -> String {
    match name {
        "ticket" | "request_id" => value.as_str().unwrap().len().to_string(),
        _ => value.to_string(),
    }
}

/// Asks the same about each address; the first has an account.
async fn ask(work: &Work, addresses: &[&str], request: impl Fn(&str) -> RequestBuilder) -> Seen {
    let mut first: Option<Seen> = None;
    for address in addresses {
        let seen = work.of(request(address)).await;
        assert!(seen.work.iter().any(|doing| doing.starts_with("database")), "nothing was seen of it");
        match &first {
            Some(first) => assert_eq!(*first, seen, "{address}"),
            None => first = Some(seen),
        }
    }
    first.unwrap()
}

fn device() -> DeviceId {
    DeviceId::new([99; 16]).unwrap()
}

#[tokio::test]
async fn signing_in_does_the_same_work_for_an_address_that_nobody_has() {
    let (work, _guard) = Work::watch();
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    let sign_in = |address: &str| {
        let login_proof = LoginProof::new([77; 32]);
        let sign_in = SignIn { email: address.to_owned(), login_proof, device_id: device() };
        server.request(Method::POST, "/v1/sessions").json(&sign_in)
    };
    let seen = ask(&work, &[&person.email, "nobody@example.org", "somebody@example.org"], sign_in).await;
    assert_eq!(seen.hashes(), 1, "{seen:?}");
}

#[tokio::test]
async fn asking_for_a_link_does_the_same_work_for_an_address_that_nobody_has() {
    let (work, _guard) = Work::watch();
    let mailing = Mailing::start().await;
    let [person, shy] = [Person::new(1), Person::new(2)];
    mailing.server.sign_up_by_letter(&person).await;
    let session = mailing.server.sign_up(&shy).await;
    let token = &session.access_token;
    let off = serde_json::to_value(Switch { on: false }).unwrap();
    let answer = mailing.server.ask(Method::PUT, "/v1/account/links", token, Some(off)).await;
    assert_eq!(answer.status, 204);
    let addresses = [person.email.as_str(), &shy.email, "nobody@example.org"];
    let seen = ask(&work, &addresses, |address| {
        let asked = AskForLink { email: address.to_owned(), device_id: device() };
        mailing.server.request(Method::POST, "/v1/sign-ins/links").json(&asked)
    });
    assert_eq!(seen.await.hashes(), 0);
    let page = |address: &str| {
        let request = mailing.server.request(Method::POST, "/sign-in/links").body(format!("email={address}"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.header("sec-fetch-site", "same-origin")
    };
    ask(&work, &addresses, page).await;
}

#[tokio::test]
async fn a_sign_up_that_is_not_let_in_does_the_same_work_for_an_address_that_nobody_has() {
    let (work, _guard) = Work::watch();
    let server = TestServer::start().await;
    let person = Person::new(1);
    server.sign_up(&person).await;
    let newcomer = Person::new(2);
    let made_up = Token::new("A".repeat(43));
    let sign_up = |address: &str| {
        let header = SignUp {
            email: address.to_owned(),
            login_proof: Some(newcomer.proof()),
            device_id: newcomer.device_id,
            invitation: Some(made_up.clone()),
            ticket: None,
        };
        let mut frames = newcomer.sign_up_frames();
        frames[0] = Frame::Header(encode_header(&header));
        frames_body(server.request(Method::POST, "/v1/accounts"), &frames)
    };
    let seen = ask(&work, &[&person.email, "nobody@example.org"], sign_up).await;
    assert!(seen.answer.starts_with("403"), "{seen:?}");
}

#[tokio::test]
async fn a_new_address_is_asked_for_with_the_same_work_whether_somebody_has_it_or_not() {
    let (work, _guard) = Work::watch();
    let mailing = Mailing::start().await;
    let [person, holder] = [Person::new(1), Person::new(2)];
    mailing.server.sign_up(&person).await;
    let session = mailing.server.sign_up(&holder).await;
    // What is noted at the first use of a session is over by then.
    assert_eq!(mailing.server.get("/v1/account/ways", &session).await.status, 200);
    let change = |address: &str| {
        let asked = NewEmail { email: address.to_owned(), login_proof: Some(holder.proof()) };
        let request = mailing.server.request(Method::POST, "/v1/account/email").json(&asked);
        request.bearer_auth(session.access_token.expose())
    };
    let seen = ask(&work, &[&person.email, "nobody@example.org"], change).await;
    assert_eq!(seen.hashes(), 1);
    assert!(seen.answer.starts_with("202"), "{seen:?}");
}
