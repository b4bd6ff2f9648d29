//! The files in `deploy/monitoring`, with Prometheus' own tool: settings, alerts and their tests, every expression of the board.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use etui_services::system_packages;
use serde_json::Value;

use crate::process::{run, say};

/// What Grafana puts in the place of its variables.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$job", "etui"), ("$instance", ".+")];

pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    system_packages::ensure_for_prometheus()?;
    for words in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "alerts.yml"],
        &["test", "rules", "alerts_test.yml"],
    ] {
        run(Command::new("promtool").args(words).current_dir(folder))?;
    }
    check_board(&folder.join("grafana.json"))
}

/// Each expression as a rule, which is what the tool can check.
fn check_board(file: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let board: Value = serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
    let expressions = expressions(&board);
    ensure!(!expressions.is_empty(), "{} has no expressions: this check sees nothing", file.display());
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("board.yml");
    fs::write(&rules, as_rules(&expressions))?;
    run(Command::new("promtool").args(["check", "rules"]).arg(&rules))?;
    say(&format!("the board: {} expressions are right", expressions.len()))
}

fn expressions(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = targets.filter_map(|target| target["expr"].as_str());
    let filled = |expression: &str| {
        VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    expressions.map(filled).collect()
}

fn as_rules(expressions: &[String]) -> String {
    let mut rules = "groups:\n  - name: board\n    rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        // A JSON string is one of YAML too.
        let _ = writeln!(
            rules,
            "      - record: board:{number}\n        expr: {}",
            Value::from(expression.as_str())
        );
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_becomes_a_rule_without_variables() {
        let board = serde_json::json!({ "panels": [
            { "type": "row" },
            { "targets": [{ "expr": "rate(a{job=\"$job\"}[$__rate_interval])" }, { "expr": "b" }] },
        ] });
        let expressions = expressions(&board);
        assert_eq!(expressions, ["rate(a{job=\"etui\"}[5m])", "b"]);
        assert!(as_rules(&expressions).contains(r#"expr: "rate(a{job=\"etui\"}[5m])""#));
    }
}
