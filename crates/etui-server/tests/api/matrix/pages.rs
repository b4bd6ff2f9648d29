//! Every page and form of the server, asked for by every browser that should not get it and by the one that should. The list
//! comes from the router itself: a page that has no line here fails.

mod scene;
mod table;

use std::{collections::BTreeSet, io::Write as _};

use reqwest::Method;
use url::form_urlencoded;

use crate::support::{Body, Seen, SentFrom, TestBrowser};

use scene::{Asker, Asking, Person, Scene};
use table::{Arrived, CASES, Case, Needs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_gives_or_changes_what_is_not_theirs() {
    let pages = etui_server::pages_and_forms();
    every_page_has_its_line(&pages);
    let scene = Scene::set().await;
    let mut holder = scene.person().await;
    let mut half = scene.half_way().await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for asker in Asker::ALL {
        let mut asking = scene.asking(asker).await;
        for (method, path) in &pages {
            let case = table::of(method, path);
            let victim = if case.needs == Needs::HalfWay { &mut half } else { &mut holder };
            let found = try_one(&scene, case, asker, victim, &mut asking).await;
            asked += 1;
            if let Err(found) = found {
                wrong.push(format!("{method} {path} as {asker:?}: {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let size = format!("{} pages and forms, {} askers, {asked} requests", pages.len(), Asker::ALL.len());
    writeln!(std::io::stdout(), "The matrix of pages: {size}.").unwrap();
}

fn every_page_has_its_line(pages: &[(Method, &'static str)]) {
    let served: BTreeSet<_> = pages.iter().map(|(method, path)| (method.as_str(), *path)).collect();
    let listed: BTreeSet<_> = CASES.iter().map(|case| (case.method.as_str(), case.path)).collect();
    assert_eq!(served, listed, "tests/api/matrix/pages/table.rs has a line for each page and form");
    assert_eq!(listed.len(), CASES.len(), "and none has two");
}

/// Whoever is to be refused tries it on the victim, and on themselves where what they send names something of theirs. Whoever may,
/// and does, gets an account of its own.
async fn try_one(
    scene: &Scene,
    case: &Case,
    asker: Asker,
    victim: &mut Person,
    asking: &mut Asking,
) -> Result<(), String> {
    if is_right(case, asker) {
        let mut right =
            if case.needs == Needs::HalfWay { scene.half_way().await } else { scene.person().await };
        let fields = fields(scene, case, &mut right).await;
        let mut browser = right.browser.clone();
        let seen = ask(scene, case, &fields, &mut browser, SentFrom::Site("same-origin")).await;
        return check(&seen, case.right);
    }
    let from = match asker {
        Asker::Forged(from) => from,
        _ => SentFrom::Site("same-origin"),
    };
    let mut browser = match asker {
        Asker::Forged(_) => victim.browser.clone(),
        _ => asking.browser.clone(),
    };
    let fields = match (case.needs, asker) {
        // Whoever has the secret may: a thief of it is not told from its owner.
        (Needs::Secret, asker) if !matches!(asker, Asker::Forged(_)) => made_up(case),
        _ => fields(scene, case, victim).await,
    };
    let expected = expected(case, asker);
    let watched = [Some(&*victim), asking.person.as_ref()];
    let before = rows(scene, watched).await;
    let seen = ask(scene, case, &fields, &mut browser, from).await;
    check(&seen, expected)?;
    // A look by the right browser is a look, whoever made it ask.
    let is_look = matches!(asker, Asker::Forged(_)) && case.method == Method::GET;
    if is_look {
        return Ok(());
    }
    tells_nothing(&seen, victim, asker)?;
    let after = rows(scene, watched).await;
    if after[0] != before[0] {
        return Err(format!("what is somebody else's changed: {}", difference(&before[0], &after[0])));
    }
    let is_heard = matches!(seen.status, 0 | 200);
    if !is_heard && after[1] != before[1] {
        return Err(format!("refused, and yet changed: {}", difference(&before[1], &after[1])));
    }
    if is_heard && case.path == "/sign-out" {
        *asking = scene.asking(asker).await;
    }
    Ok(())
}

fn is_right(case: &Case, asker: Asker) -> bool {
    asker == Asker::Right || (asker == Asker::Half && case.needs == Needs::HalfWay)
}

/// What an asker must get who is not the right one.
fn expected(case: &Case, asker: Asker) -> Arrived {
    let refused = |status| (status, case.path);
    if matches!(asker, Asker::Forged(_)) {
        return if case.method == Method::POST { refused(400) } else { case.right };
    }
    if case.needs == Needs::Nothing {
        return case.right;
    }
    match (case.needs, asker) {
        (Needs::Secret, _) => refused(410),
        (_, Asker::Disabled) | (Needs::Holder, Asker::OneFactor | Asker::Leaving) => refused(403),
        (Needs::Browser, _) => refused(400),
        (Needs::HalfWay, asker) => without_a_first_factor(case, asker),
        (Needs::Anybody, asker) if asker.visits() => case.right,
        (Needs::Page | Needs::Visit, asker) if asker.visits() => case.right,
        (Needs::Anybody | Needs::Page, _) => (200, "/sign-in"),
        (Needs::Holder, Asker::Stranger) => case.stranger,
        _ => refused(401),
    }
}

fn without_a_first_factor(case: &Case, asker: Asker) -> Arrived {
    if case.method == Method::POST || asker == Asker::Garbage {
        return (410, case.path);
    }
    (200, if asker.visits() { "/account" } else { "/sign-in" })
}

/// What is sent, of this person's.
async fn fields(scene: &Scene, case: &Case, person: &mut Person) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, value) in case.fields {
        fields.push(((*name).to_owned(), scene.value(value, person).await));
    }
    // The credential stands behind its ticket.
    if let Some((_, name)) = case.fields.iter().find(|(name, _)| *name == "credential")
        && let Some([ticket, credential]) = scene.passkey(name, person).await
    {
        for (name, value) in &mut fields {
            match name.as_str() {
                "passkey_ticket" => ticket.clone_into(value),
                "credential" => credential.clone_into(value),
                _ => {}
            }
        }
    }
    fields
}

/// What somebody sends who has no secret.
fn made_up(case: &Case) -> Vec<(String, String)> {
    let value = |name| if name == "credential" { "{}".to_owned() } else { "A".repeat(43) };
    case.fields.iter().map(|(name, _)| ((*name).to_owned(), value(*name))).collect()
}

async fn ask(
    scene: &Scene,
    case: &Case,
    fields: &[(String, String)],
    browser: &mut TestBrowser,
    from: SentFrom,
) -> Seen {
    for elsewhere in scene.place.issuers.iter().map(String::as_str).chain(["http://127.0.0.1:9/"]) {
        browser.stop_at(elsewhere);
    }
    let mut path = case.path.replace("{name}", "b");
    if let Some((_, token)) = fields.iter().find(|(name, _)| name == "token") {
        path = path.replace("{token}", token);
    }
    let mut address = scene.place.address(&path);
    let body = match case.method {
        Method::GET if fields.is_empty() => Body::None,
        Method::GET => {
            address = format!(
                "{address}?{}",
                form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
            );
            Body::None
        }
        _ if path == "/account/passkeys/begin" => Body::EmptyJson,
        _ => Body::Form(fields.to_vec()),
    };
    browser.ask(&address, body, from).await
}

fn check(seen: &Seen, (status, path): Arrived) -> Result<(), String> {
    // What stands in the path was filled in.
    let is_there = match path.split_once('{') {
        Some((beginning, _)) => seen.url.path().starts_with(beginning),
        None => seen.url.path() == path,
    };
    if seen.status == status && is_there {
        return Ok(());
    }
    Err(format!("expected {status} at {path}, got {} at {}: {}", seen.status, seen.url.path(), seen.text))
}

fn tells_nothing(seen: &Seen, victim: &Person, asker: Asker) -> Result<(), String> {
    let is_the_victims = matches!(asker, Asker::Forged(_));
    let shown = format!("{} {}", seen.url, seen.text);
    match victim.canaries().into_iter().find(|canary| !is_the_victims && shown.contains(canary)) {
        Some(canary) => Err(format!("the answer names {canary}")),
        None => Ok(()),
    }
}

/// Every row that names either, but for those of vaults, in which the server's own jobs note when they come back.
async fn rows(scene: &Scene, people: [Option<&Person>; 2]) -> [Vec<String>; 2] {
    let mut rows = [Vec::new(), Vec::new()];
    for (rows, person) in rows.iter_mut().zip(people) {
        if let Some(person) = person {
            *rows = scene.place.server.rows_of(person.account.account_id).await;
            rows.retain(|row| !row.starts_with("vault: "));
        }
    }
    rows
}

fn difference(before: &[String], after: &[String]) -> String {
    let [before, after]: [BTreeSet<_>; 2] = [before.iter().collect(), after.iter().collect()];
    before.symmetric_difference(&after).map(|row| row.as_str()).collect::<Vec<_>>().join("\n")
}
