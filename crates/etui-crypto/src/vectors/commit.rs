//! `commit.json`: a chain of commits, and Merkle trees.

use etui_chain::{Commit, DeviceId, Digest, LiveSet, PublicKey, VaultId, tree_root};
use serde::Deserialize;

use super::{
    Mismatch,
    format::{At as _, Hex, same},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    device_public_key: PublicKey,
    vault_id: VaultId,
    device_id: DeviceId,
    chain: Vec<Link>,
    merkle: Vec<Tree>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    seq: u64,
    commit: Hex,
    commit_hash: Digest,
    root: Digest,
    live: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    n: usize,
    leaves: Vec<Digest>,
    root: Digest,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    let mut live = LiveSet::default();
    let mut previous = Digest::ZERO;
    for link in &file.chain {
        let at = format!("commit {}", link.seq);
        let commit = Commit::parse(&link.commit.0).at(&at)?;
        commit.verify_signature(&file.device_public_key).at(&at)?;
        live = live.after(&commit.changes).at(&at)?;
        same(&commit.vault_id, &file.vault_id, format_args!("{at}, vault"))?;
        same(&commit.device_id, &file.device_id, format_args!("{at}, device"))?;
        same(&commit.seq, &link.seq, format_args!("{at}, seq"))?;
        same(&commit.prev_hash, &previous, format_args!("{at}, prev_hash"))?;
        same(&commit.hash(), &link.commit_hash, format_args!("{at}, hash"))?;
        for (root, count) in [(commit.root, commit.live as usize), (live.root(), live.len())] {
            same(&root, &link.root, format_args!("{at}, root"))?;
            same(&count, &(link.live as usize), format_args!("{at}, live"))?;
        }
        previous = commit.hash();
    }
    for tree in &file.merkle {
        same(&tree.leaves.len(), &tree.n, format_args!("tree of {}, leaves", tree.n))?;
        same(&tree_root(&tree.leaves), &tree.root, format_args!("tree of {}", tree.n))?;
    }
    Ok(file.chain.len() + file.merkle.len())
}
