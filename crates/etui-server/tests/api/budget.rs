//! How often anybody may guess, by every route that takes a secret: nowhere more often than at the login password.
//!
//! Vaultwarden CVE-2026-43914 was one route that forgot to ask. So the list of secrets comes from the document of the API: a field
//! that has no line in the table fails. Guesses come over HTTP from many addresses, and time passes in the rows of the counters.

mod document;
mod guesser;
mod table;

use std::{collections::BTreeSet, io::Write as _, time::Duration};

use data_encoding::BASE64URL_NOPAD;

use guesser::{Guesser, Scene};
use table::{Guess, Kind, PAGES, SECRETS};

const ADDRESSES: u8 = 8;
const STEP: Duration = Duration::from_mins(15);
const STEPS_A_DAY: usize = 96;
/// More than any place may guess within an hour.
const ENOUGH: usize = 330;
/// What nobody guesses has at least so many random bits.
const MANY_BITS: usize = 128;

#[test]
fn every_secret_that_the_document_takes_has_its_line() {
    let listed: BTreeSet<_> =
        SECRETS.iter().map(|secret| (secret.operation.to_owned(), secret.field.to_owned())).collect();
    assert_eq!(document::secrets(), listed, "tests/api/budget/table.rs has a line for each");
    assert_eq!(listed.len(), SECRETS.len(), "and none has two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_limited_like_a_password_cannot_be_guessed() {
    let scene = Scene::set().await;
    for secret in SECRETS {
        let Kind::Random(example) = secret.kind else { continue };
        let [one, other] = [scene.draw(example).await, scene.draw(example).await]
            .map(|drawn| BASE64URL_NOPAD.decode(drawn.expose().as_bytes()).unwrap());
        let random = one.iter().zip(&other).filter(|(one, other)| one != other).count();
        assert!(random * 8 >= MANY_BITS, "{} of {}", secret.field, secret.operation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_looks_at_more_guesses_at_one_account_than_that_of_the_login_password() {
    let scene = Scene::set().await;
    let most = day_of_guesses(&scene, &[Guess::LoginPassword]).await;
    assert!((24..=120).contains(&most), "{most} login passwords: the rule would be another one");
    let guessed = SECRETS.iter().filter_map(|secret| secret.kind.guess());
    let guessed = guessed.chain(PAGES.iter().map(|(_, guess)| *guess)).filter(|guess| guess.is_at_one());
    let second_factors: Vec<_> = guessed.filter(|guess| *guess != Guess::LoginPassword).collect();
    let mut table = vec![format!("{most} login passwords")];
    let mut alone = 0;
    for guess in &second_factors {
        let count = day_of_guesses(&scene, &[*guess]).await;
        assert!((1..=most).contains(&count), "{guess:?}: {count} of at most {most}");
        table.push(format!("{count} by {guess:?}"));
        alone = alone.max(count);
    }
    let together = day_of_guesses(&scene, &second_factors).await;
    assert!(together <= alone, "by turns {second_factors:?} have {together}, and one of them has {alone}");
    table.push(format!("{together} by turns"));
    writeln!(std::io::stdout(), "Guesses looked at within a day: {}.", table.join(", ")).unwrap();
}

/// A code for a device says itself whose it is: it is guessed at from a place, and not at an account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_looks_at_more_guesses_from_one_place_than_that_of_the_login_password() {
    let scene = Scene::set().await;
    let most = hour_from_one_place(&scene, Guess::LoginPassword).await;
    assert!((257..ENOUGH).contains(&most), "{most} login passwords: the rule would be another one");
    for (path, guess) in PAGES.iter().filter(|(_, guess)| !guess.is_at_one()) {
        let count = hour_from_one_place(&scene, *guess).await;
        assert!((1..=most).contains(&count), "{path}: {count} of at most {most}");
    }
}

/// How many guesses at one account are looked at, from every address in turn and by every way in turn, each quarter of an hour.
async fn day_of_guesses(scene: &Scene, ways: &[Guess]) -> usize {
    let mut guesser = Guesser::at_a_new_account(scene).await;
    let mut ways = ways.iter().cycle();
    let mut looked_at = 0;
    for _ in 0..STEPS_A_DAY {
        for address in 0..ADDRESSES {
            looked_at += usize::from(guesser.guess(*ways.next().unwrap(), address).await);
        }
        scene.pass(STEP).await;
    }
    looked_at
}

/// How many guesses are looked at from one address, each at something else, as often as it is let, every five minutes.
async fn hour_from_one_place(scene: &Scene, guess: Guess) -> usize {
    let mut guesser = Guesser::at_a_new_account(scene).await;
    let mut looked_at = 0;
    for _ in 0..12 {
        while looked_at < ENOUGH && guesser.guess_anew(guess).await {
            looked_at += 1;
        }
        scene.pass(Duration::from_mins(5)).await;
    }
    looked_at
}
