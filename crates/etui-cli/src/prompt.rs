//! Asking the person. Prompts go to the terminal itself, so that a redirected output holds only the answer.

mod terminal;

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use etui_vault::generator::{Strength, strength};

use crate::{failure::Failure, secret::Secret, secret_input::InputError};

/// Asks for a secret without showing it.
pub(crate) fn secret(what: &str) -> Result<Secret, InputError> {
    terminal::give_back_when_interrupted();
    rpassword::prompt_password(format!("{}: ", capitalised(what)))
        .inspect_err(terminal::end_if_interrupted)
        .map(Secret::new)
        .map_err(|source| InputError::NoTerminal { what: what.to_owned(), source })
}

/// Asks for a secret that turned out to be needed; none where nobody is there to ask, as in a script.
pub(crate) fn secret_of_person(what: &str) -> Option<Secret> {
    somebody_is_there().then(|| secret(what).ok()).flatten()
}

/// Whether there is a terminal, with somebody to ask.
pub(crate) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks for a new secret twice and says honestly how strong it is. `related`: what a guesser would try first. One that must
/// not be chosen is not asked for again.
pub(crate) fn new_secret(
    what: &str,
    related: &[&str],
    judge: impl FnOnce(&Secret) -> Result<(), Failure>,
) -> Result<Secret, Failure> {
    let first = secret(what)?;
    show(&meter(&strength(first.expose(), related)));
    judge(&first)?;
    let second = secret(&format!("{what} again"))?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(InputError::Differ { what: what.to_owned() }.into())
    }
}

/// Asks for a line that may be seen.
pub(crate) fn line(what: &str) -> Result<String, InputError> {
    let missing = |source| InputError::NoTerminal { what: what.to_owned(), source };
    if !somebody_is_there() {
        return Err(missing(std::io::ErrorKind::NotConnected.into()));
    }
    write!(std::io::stderr(), "{}: ", capitalised(what)).map_err(missing)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(missing)?;
    Ok(answer.trim().to_owned())
}

/// Asks for a yes; without a terminal the answer is no.
pub(crate) fn confirm(question: &str) -> bool {
    line(&format!("{question} [y/N]"))
        .is_ok_and(|answer| answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

fn capitalised(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One line on how long a password would hold, with what would make it better.
fn meter(strength: &Strength) -> String {
    let words = ["very weak", "weak", "fair", "good", "strong"];
    let word = words[usize::from(strength.score.min(4))];
    let mut line = format!("  {word}: about 10^{:.0} guesses", strength.guesses_log10);
    for advice in strength.warning.iter().chain(&strength.suggestions) {
        line.push_str("\n  ");
        line.push_str(advice);
    }
    line
}

fn show(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_calls_weak_what_is_weak() {
        let common = meter(&strength("password1234", &[]));
        assert!(common.starts_with("  very weak") || common.starts_with("  weak"), "{common}");
        assert!(meter(&strength("correct horse battery staple", &[])).starts_with("  strong"));
        let own_name = meter(&strength("ada.lovelace.1815", &["ada.lovelace"]));
        assert!(!own_name.contains("strong"), "{own_name}");
    }
}
