//! What the agent asks for while it is at work: only the person can say it.

use std::io::Write as _;

use crate::{agent::protocol::Wanted, output::time_text, prompt, secret::Secret};

/// What to paste at the prompt for it.
const PRINTED_LINK: &str = "link that whoever runs the server has printed";

/// The person's answer; none if nobody is there, or it is no.
pub(crate) fn answer(wanted: &Wanted) -> Option<Secret> {
    match *wanted {
        Wanted::LetterLine { expires_in_s } => {
            say(&format!(
                "If there is an account with that address, and it takes links, a letter is on its way to it. Within {} minutes \
                 its line counts here, and nowhere else.",
                expires_in_s / 60
            ));
            prompt::secret_of_person("line that the letter brings")
        }
        Wanted::PrintedLink => {
            say("This server sends no letters. Whoever runs it can print a link: `etui-server admin link`.");
            prompt::secret_of_person(PRINTED_LINK)
        }
        Wanted::SecondFactor { again } => {
            if again {
                say("That code is not right, or was used before.");
            }
            prompt::secret_of_person("code of your authenticator app, or a recovery code")
        }
        Wanted::KdfMemory { mib } => yes(&format!(
            "Unlocking this account takes {mib} MiB of memory on this device, as one of your devices should have chosen. Go on?"
        )),
        Wanted::KeepAccount { delete_at_ms } => {
            let when = time_text(delete_at_ms);
            yes(&format!("This account is being deleted, and will be gone on {when}. Keep it, and go on?"))
        }
    }
}

/// An answer, if it is a yes.
fn yes(question: &str) -> Option<Secret> {
    prompt::confirm(question).then(|| Secret::new("yes"))
}

/// Nobody is told who is not there.
fn say(text: &str) {
    if prompt::somebody_is_there() {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
