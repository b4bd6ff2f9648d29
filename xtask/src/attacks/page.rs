//! The page that is made from the list.

use std::{fmt::Write as _, fs};

use anyhow::Context as _;

use super::list::{Attack, Attacks, folder};
use crate::process::say;

const HEAD: &str = "\
# Published attacks, and what becomes of them here

Every attack that was published against a password manager and that has something to take hold of in this one is a test. Run them
with `cargo xtask attacks`; it prints this table with what came of each. Each test on the core and on the programs asserts five
things: exactly the named refusal; everything on the device as it was; what was not sent still waits and can be exported; nothing
secret left the device; and once the server is honest again, everything converges without loss. The core's are run natively and in
WebAssembly. To try lies of your own, see [evil.md](evil.md); what is claimed, and against whom, is in the
[threat model](../../spec/threat-model.md).

This page is made from [attacks.toml](attacks.toml) by `cargo xtask attacks --write`.
";

pub(super) fn write(attacks: &Attacks) -> anyhow::Result<()> {
    let path = folder().join("attacks.md");
    fs::write(&path, text(attacks)).with_context(|| format!("writing {}", path.display()))?;
    say(&format!("Wrote {}", path.display()))
}

pub(super) fn text(attacks: &Attacks) -> String {
    let mut text = HEAD.to_owned();
    for group in &attacks.groups {
        let _ = write!(text, "\n## {}\n\n", group.title);
        if !group.text.is_empty() {
            let _ = write!(text, "{}\n\n", group.text);
        }
        text.push_str("| | broke | what is tried | answer | shown by |\n|---|---|---|---|---|\n");
        for attack in &group.attacks {
            let Attack { id, broke, tries, answer, .. } = attack;
            let _ = writeln!(text, "| {id} | {broke} | {tries} | {answer} | {} |", shown_by(attack));
        }
    }
    text
}

fn shown_by(attack: &Attack) -> String {
    let core = attack.core.iter().map(|name| format!("core `{name}`"));
    let tests = attack.tests.iter().map(|test| format!("`{}`", test.replacen(' ', "::", 1)));
    let open = attack.open.iter().map(|why| format!("**open**: {why}"));
    core.chain(tests).chain(open).collect::<Vec<_>>().join("; ")
}
