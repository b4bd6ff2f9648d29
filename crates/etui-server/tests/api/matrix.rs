//! Every operation of the API, asked by everybody who should not get it and by whoever should. The list of operations comes from
//! the document itself: one that has no line here fails.

mod pages;
mod scene;
mod table;

use std::{collections::BTreeSet, fmt, io::Write as _};

use etui_api::ErrorCode;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::support::{Answer, read};

use scene::{Asker, Kind, Scene, Target};
use table::{CASES, Case, Needs};

/// Codes by which a request ends before anything is done for it.
const ACCESS_CODES: [ErrorCode; 9] = [
    ErrorCode::Unauthenticated,
    ErrorCode::TokenExpired,
    ErrorCode::SessionEnded,
    ErrorCode::AccountDisabled,
    ErrorCode::AccountLeaving,
    ErrorCode::DeviceNotApproved,
    ErrorCode::FreshSignInRequired,
    ErrorCode::NotAllowed,
    ErrorCode::Internal,
];

/// An operation as the document has it.
#[derive(Debug, Clone)]
struct Operation {
    name: String,
    method: reqwest::Method,
    path: String,
    body: Option<Kind>,
}

/// What an asker must get.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// This code.
    Refused(ErrorCode),
    /// Anything that is not about who asks.
    Heard,
    /// That there is no such thing, for it is somebody else's.
    NotTheirs,
}

impl fmt::Debug for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(formatter, "{code}"),
            Self::Heard => formatter.write_str("heard"),
            Self::NotTheirs => formatter.write_str("not found"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_does_what_is_not_theirs_to_do() {
    let operations = operations();
    every_operation_has_its_line(&operations);
    let scene = Box::pin(Scene::set()).await;
    let before = scene.what_the_holder_has().await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for operation in &operations {
        let case = table::of(&operation.name).unwrap();
        for asker in Asker::ALL {
            let expected = expected(operation, case, asker);
            let answer = ask(&scene, operation, case, asker, expected).await;
            asked += 1;
            if let Err(found) = check(&answer, expected, case.needs, asker, &scene) {
                wrong.push(format!("{} as {asker:?}: expected {expected:?}, {found}", operation.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(scene.what_the_holder_has().await, before, "whoever was refused has changed nothing");
    let size = format!("{} operations, {} askers, {asked} requests", operations.len(), Asker::ALL.len());
    writeln!(std::io::stdout(), "The matrix: {size}.").unwrap();
}

/// Whoever is to be refused tries it on the holder. Whoever is heard may change something: each gets an account of its own.
async fn ask(scene: &Scene, operation: &Operation, case: &Case, asker: Asker, expected: Expected) -> Answer {
    if expected == Expected::Heard && case.needs != Needs::Nothing {
        let somebody = scene.somebody().await;
        let token = scene.token_of(asker, &somebody).await;
        return head(request(scene, operation, token, &somebody)).await;
    }
    head(request(scene, operation, scene.token(asker), scene.holder())).await
}

/// The answer; of one that never ends, its head.
async fn head(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    if response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        return Answer { status, headers, body: Vec::new() };
    }
    read(response).await
}

fn request(scene: &Scene, operation: &Operation, token: Option<String>, target: &Target) -> RequestBuilder {
    let request = scene.server().request(operation.method.clone(), &target.fill(&operation.path));
    let request = target.with_body(request, operation);
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

fn check(
    answer: &Answer,
    expected: Expected,
    needs: Needs,
    asker: Asker,
    scene: &Scene,
) -> Result<(), String> {
    let code = (answer.status >= 400).then(|| answer.code());
    let right = match expected {
        Expected::Refused(expected) => code == Some(expected),
        Expected::NotTheirs => code == Some(ErrorCode::NotFound),
        // What is in the body may be refused by the same names.
        Expected::Heard if needs == Needs::Nothing => code != Some(ErrorCode::Internal),
        Expected::Heard => code.is_none_or(|code| !ACCESS_CODES.contains(&code)),
    };
    if !right {
        return Err(format!("got {} {code:?}", answer.status));
    }
    if asker == Asker::WithScope && expected == Expected::Heard {
        // Administrators see who has an account.
        return Ok(());
    }
    // Nobody was asked for what is the holder's own, and no refusal says whom it protects.
    let text = String::from_utf8_lossy(&answer.body);
    match scene.holder().canaries().into_iter().find(|canary| text.contains(canary)) {
        Some(canary) => Err(format!("the answer names {canary}")),
        None => Ok(()),
    }
}

fn expected(operation: &Operation, case: &Case, asker: Asker) -> Expected {
    use Asker::{
        AdministratorWithoutScope, Demoted, Disabled, Ended, Expired, Garbage, Half, Holder, Leaving, Nobody,
        Stale, Stranger, Waiting, WithScope,
    };
    let refused = |code| Expected::Refused(code);
    if case.needs == Needs::Nothing {
        return Expected::Heard;
    }
    match (asker, case.needs) {
        (Nobody | Garbage | Half, _) => refused(ErrorCode::Unauthenticated),
        (Expired, _) => refused(ErrorCode::TokenExpired),
        // Tokens for the one are not for the other; that is looked at before the session is.
        (WithScope, Needs::Admin) | (Leaving, Needs::Leaving | Needs::FreshOrLeaving) => Expected::Heard,
        (_, Needs::Admin) | (WithScope | Demoted, _) => refused(ErrorCode::NotAllowed),
        (Ended, _) => refused(ErrorCode::SessionEnded),
        (Disabled, _) => refused(ErrorCode::AccountDisabled),
        (Waiting, _) => refused(ErrorCode::DeviceNotApproved),
        (Leaving, _) => refused(ErrorCode::AccountLeaving),
        (Holder | Stranger | Stale | AdministratorWithoutScope, needs) => {
            expected_of_a_session(operation, needs, asker)
        }
    }
}

/// What a live session of an account gets.
fn expected_of_a_session(operation: &Operation, needs: Needs, asker: Asker) -> Expected {
    match (asker, needs) {
        (_, Needs::Leaving) => Expected::Refused(ErrorCode::NotFound),
        (Asker::Stale, Needs::Fresh | Needs::FreshOrLeaving | Needs::FreshAdministrator) => {
            Expected::Refused(ErrorCode::FreshSignInRequired)
        }
        (Asker::Holder | Asker::Stranger, Needs::FreshAdministrator) => {
            Expected::Refused(ErrorCode::NotAllowed)
        }
        (Asker::Stranger, _) if operation.path.contains("_id}") => Expected::NotTheirs,
        _ => Expected::Heard,
    }
}

/// Every operation of the document.
fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&etui_server::openapi_json()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Operation {
                name: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                body: kind(&operation["requestBody"]["content"]),
            });
        }
    }
    operations
}

fn kind(content: &Value) -> Option<Kind> {
    let content = content.as_object()?;
    Some(if content.contains_key("application/json") { Kind::Json } else { Kind::Frames })
}

fn every_operation_has_its_line(operations: &[Operation]) {
    let documented: BTreeSet<_> = operations.iter().map(|operation| operation.name.as_str()).collect();
    let listed: BTreeSet<_> = CASES.iter().map(|case| case.operation).collect();
    assert_eq!(documented, listed, "tests/api/matrix/table.rs has a line for each operation");
    assert_eq!(listed.len(), CASES.len(), "and none has two");
}
