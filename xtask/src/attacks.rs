//! `cargo xtask attacks`: every published attack of `docs/security/attacks.toml`, tried on the core natively and in WebAssembly,
//! on the programs and on the server; and the page that is made from the list.

mod list;
mod page;
#[cfg(test)]
mod tests;
mod weakened;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::{
    process::{cargo, run as run_command, say},
    test::nextest,
    wasm,
};
use list::{Attack, Attacks};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make docs/security/attacks.md from the list, and try nothing
    #[arg(long)]
    write: bool,
    /// Take checks out of a copy of the source one by one, and see attacks succeed there
    #[arg(long, conflicts_with = "write")]
    weakened: bool,
    /// Only attacks whose name begins so, for example BW or SY02
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Leave WebAssembly out, which takes minutes to build
    #[arg(long)]
    without_wasm: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let attacks = Attacks::read()?;
    if arguments.write {
        return page::write(&attacks);
    }
    if arguments.weakened {
        return weakened::run();
    }
    let chosen: Vec<&Attack> =
        attacks.all().filter(|attack| attack.id.starts_with(&arguments.only)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no attack is called {}", arguments.only);
    let native = try_natively(&chosen)?;
    let in_wasm = if arguments.without_wasm { Vec::new() } else { wasm::attacks()? };
    let in_wasm = in_wasm.into_iter().collect();
    let tried: Vec<Tried<'_>> =
        chosen.into_iter().map(|attack| Tried::of(attack, &native, &in_wasm)).collect();
    say(&table(&tried))?;
    let failed: Vec<&str> =
        tried.iter().filter(|tried| tried.has_failed()).map(|tried| tried.attack.id.as_str()).collect();
    anyhow::ensure!(failed.is_empty(), "not refused as they have to be: {}", failed.join(", "));
    Ok(())
}

/// What became of one attack at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail,
    /// There is no such test.
    NotTried,
}

/// Tests by "program test", and whether they passed.
type Verdicts = BTreeMap<String, bool>;

struct Tried<'a> {
    attack: &'a Attack,
    core: Verdict,
    wasm: Verdict,
    programs: Verdict,
}

impl<'a> Tried<'a> {
    fn of(attack: &'a Attack, native: &Verdicts, in_wasm: &Verdicts) -> Self {
        let core = attack.core.as_deref();
        let natively = |name: &str| {
            let suffix = format!("::{name}");
            let passed =
                native.iter().find(|(test, _)| test.starts_with(list::CORE) && test.ends_with(&suffix));
            passed.is_some_and(|(_, passed)| *passed)
        };
        let passed = |test: &String| native.get(test).copied().unwrap_or(false);
        Self {
            attack,
            core: core.map_or(Verdict::NotTried, |name| Verdict::of(natively(name))),
            wasm: core
                .filter(|_| !in_wasm.is_empty())
                .map_or(Verdict::NotTried, |name| Verdict::of(in_wasm.get(name).copied().unwrap_or(false))),
            programs: match attack.tests.as_slice() {
                [] => Verdict::NotTried,
                tests => Verdict::of(tests.iter().all(passed)),
            },
        }
    }

    fn verdicts(&self) -> [Verdict; 3] {
        [self.core, self.wasm, self.programs]
    }

    fn has_failed(&self) -> bool {
        self.verdicts().contains(&Verdict::Fail)
    }
}

impl Verdict {
    const fn of(passed: bool) -> Self {
        if passed { Self::Pass } else { Self::Fail }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::NotTried => "-",
        }
    }
}

/// Builds the programs that tests start, and runs each named test.
fn try_natively(chosen: &[&Attack]) -> anyhow::Result<Verdicts> {
    run_command(&mut cargo("build --locked --package etui-server --package etui-cli"))?;
    let tests = chosen.iter().flat_map(|attack| attack.filters()).collect::<Vec<_>>();
    if tests.is_empty() {
        return Ok(Verdicts::new());
    }
    let mut command = nextest()?;
    command.args(["run", "--locked", "--workspace", "--no-fail-fast", "--color", "never"]);
    command.args(["--status-level", "all", "--final-status-level", "none"]);
    command.args(["--filterset", &tests.join(" | ")]);
    verdicts(command)
}

/// Nextest's lines are of the form `PASS [   0.012s] (1/9) PROGRAM TEST`. They are shown as they come.
fn verdicts(mut command: Command) -> anyhow::Result<Verdicts> {
    let mut nextest = command.stderr(Stdio::piped()).spawn().context("starting nextest")?;
    let mut verdicts = Verdicts::new();
    for line in BufReader::new(nextest.stderr.take().context("reading from nextest")?).lines() {
        let line = line.context("reading from nextest")?;
        if let Some((test, passed)) = verdict(&line) {
            verdicts.insert(test, passed);
        }
        say(&line)?;
    }
    nextest.wait().context("waiting for nextest")?;
    Ok(verdicts)
}

fn verdict(line: &str) -> Option<(String, bool)> {
    let (word, rest) = line.trim_start().split_once(' ')?;
    let (_, test) = rest.trim_start().strip_prefix('[')?.split_once(") ")?;
    Some((test.to_owned(), word == "PASS"))
}

fn table(tried: &[Tried<'_>]) -> String {
    let mut text = String::from("\nattack  core  wasm  programs  what is tried, and the answer\n");
    for tried in tried {
        let [core, wasm, programs] = tried.verdicts().map(Verdict::word);
        let Attack { id, broke, tries, answer, open, .. } = tried.attack;
        let programs = if open.is_some() { "open" } else { programs };
        let answer = open.as_ref().unwrap_or(answer);
        let line = format!("{id:<6}  {core:<4}  {wasm:<4}  {programs:<8}  ({broke}) {tries}: {answer}\n");
        text.push_str(&line);
    }
    let open = tried.iter().filter(|tried| tried.attack.open.is_some()).count();
    let failed = tried.iter().filter(|tried| tried.has_failed()).count();
    let _ = writeln!(
        text,
        "\n{} attacks: {} refused, {failed} not, {open} open",
        tried.len(),
        tried.len() - failed - open
    );
    text
}
