//! `cargo xtask arrows`: does any crate reach what it must not know (ARCHITECTURE.md, "Arrows")?

use std::collections::BTreeSet;

use anyhow::{bail, ensure};

use crate::process::{cargo, output};

/// For each crate, all of ours that it may reach, over however many steps.
const ARROWS: &[(&str, &[&str])] = &[
    ("etui-chain", &[]),
    ("etui-api", &["etui-chain"]),
    ("etui-crypto", &["etui-chain"]),
    ("etui-vault", &["etui-chain", "etui-crypto"]),
    ("etui-sync", &["etui-api", "etui-chain", "etui-crypto"]),
    ("etui-client", CLIENT),
    ("etui-wasm", CLIENT_AND_ABOVE),
    ("etui-cli", CLIENT_AND_ABOVE),
    ("etui-store", &["etui-api", "etui-chain"]),
    ("etui-server", &["etui-api", "etui-chain", "etui-store"]),
];

const CLIENT: &[&str] = &["etui-api", "etui-chain", "etui-crypto", "etui-sync", "etui-vault"];
const CLIENT_AND_ABOVE: &[&str] =
    &["etui-api", "etui-chain", "etui-client", "etui-crypto", "etui-sync", "etui-vault"];

/// The crates that compute and do nothing else.
const CORE: &[&str] = &["etui-chain", "etui-api", "etui-crypto", "etui-vault", "etui-sync"];

/// What brings sockets, files, threads or a global random source with it.
const EDGE: &[&str] = &[
    "async-std",
    "axum",
    "getrandom",
    "hyper",
    "keyring",
    "libsqlite3-sys",
    "mio",
    "rand",
    "reqwest",
    "rusqlite",
    "rustix",
    "sea-orm",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "zbus",
];

pub(crate) fn run() -> anyhow::Result<()> {
    for (name, allowed) in ARROWS {
        check(name, &reached(name)?, allowed)?;
    }
    Ok(())
}

/// Every crate that an ordinary build can reach, with any feature and for any target.
fn reached(name: &str) -> anyhow::Result<BTreeSet<String>> {
    let words =
        "tree --locked --edges normal --all-features --target all --prefix none --format {p} --package";
    let tree = output(cargo(words).arg(name))?;
    let crates: BTreeSet<_> =
        tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    ensure!(crates.contains(name), "`cargo tree` does not know {name}");
    Ok(crates)
}

fn check(name: &str, reached: &BTreeSet<String>, allowed: &[&str]) -> anyhow::Result<()> {
    let ours =
        reached.iter().map(String::as_str).filter(|other| other.starts_with("etui-") && *other != name);
    if let Some(other) = ours.into_iter().find(|other| !allowed.contains(other)) {
        bail!("{name} reaches {other}, which it must not know: `cargo tree -p {name} -i {other}` shows how");
    }
    if CORE.contains(&name)
        && let Some(edge) = EDGE.iter().find(|edge| reached.contains(**edge))
    {
        bail!("{name} only computes, but reaches {edge}: `cargo tree -p {name} -i {edge}` shows how");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, reached: &[&str], allowed: &[&str]) -> String {
        let reached = reached.iter().map(|name| (*name).to_owned()).collect();
        check(name, &reached, allowed).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_server_that_reaches_the_vault_is_refused() {
        let refused = refusal("etui-server", &["etui-server", "etui-store", "etui-vault"], &["etui-store"]);
        assert!(refused.starts_with("etui-server reaches etui-vault"), "{refused}");
    }

    #[test]
    fn a_core_with_a_runtime_is_refused_and_an_edge_may_have_one() {
        let refused = refusal("etui-sync", &["etui-sync", "tokio"], &[]);
        assert!(refused.starts_with("etui-sync only computes, but reaches tokio"), "{refused}");
        assert_eq!(refusal("etui-store", &["etui-store", "tokio"], &[]), "");
    }

    #[test]
    fn the_table_never_leads_from_the_server_to_a_key() {
        let keys = ["etui-crypto", "etui-vault", "etui-sync", "etui-client"];
        for (name, allowed) in ARROWS.iter().filter(|(name, _)| ["etui-server", "etui-store"].contains(name))
        {
            assert!(keys.iter().all(|key| !allowed.contains(key)), "{name}");
        }
    }
}
