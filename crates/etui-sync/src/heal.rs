//! Bringing back what a restored server has lost (`spec/sync.md`, "Heal").

use std::collections::{BTreeMap, BTreeSet, HashMap};

use etui_api::limits::MAX_HEAL_BYTES;
use etui_chain::{Commit, Digest, ObjectId, Op, Refusal, Refused, State, VaultId};

/// Bytes at which a further upload is begun where that is possible: it bounds what both sides hold in memory.
pub const HEAL_PIECE_BYTES: usize = 32 << 20;
/// More than the frame around anything takes.
const FRAME_BYTES: usize = 16;

/// What is uploaded, in the order in which the server replays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealPlan {
    /// This state.
    State(u64),
    /// This commit of a vault.
    Commit(VaultId, u64),
}

/// One upload. The server takes it whole or not at all, and has everything that is live and named when it ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HealPiece {
    /// States and commits in order.
    pub steps: Vec<HealPlan>,
    /// The objects whose records go with it.
    pub records: Vec<(VaultId, ObjectId)>,
    /// The records that its last state names, as far as they are held.
    pub named_records: Vec<Digest>,
}

/// What a server has lost, and which records this device holds.
#[derive(Debug)]
pub struct Lost<'a> {
    /// The newest state that the server still has.
    pub server_state: &'a State,
    /// The states that it lacks, versions ascending.
    pub states: &'a [State],
    /// The commits that it lacks, by vault and ascending.
    pub commits: &'a BTreeMap<VaultId, Vec<Commit>>,
    /// The length of every record held, live or named, by its hash.
    pub held: &'a HashMap<Digest, usize>,
}

/// Orders states and commits: the commits up to each state's heads, then that state, then what follows the last.
///
/// `states` are those that the server lacks, versions ascending; `commits` those that it lacks, by vault and ascending.
pub fn plan_heal(states: &[State], commits: &BTreeMap<VaultId, Vec<Commit>>) -> Vec<HealPlan> {
    let mut plan = Vec::new();
    let mut waiting: BTreeMap<VaultId, std::iter::Peekable<std::slice::Iter<'_, Commit>>> =
        commits.iter().map(|(vault_id, commits)| (*vault_id, commits.iter().peekable())).collect();
    for state in states {
        for vault in &state.vaults {
            let Some(commits) = waiting.get_mut(&vault.id) else { continue };
            while let Some(commit) = commits.next_if(|commit| commit.seq <= vault.head_seq) {
                plan.push(HealPlan::Commit(vault.id, commit.seq));
            }
        }
        plan.push(HealPlan::State(state.version));
    }
    for (vault_id, commits) in waiting {
        plan.extend(commits.map(|commit| HealPlan::Commit(vault_id, commit.seq)));
    }
    plan
}

/// Cuts what is to be healed into uploads of about `piece_bytes`.
///
/// A superseded record is held by nobody any more. So a cut is possible only where every object changed since the last
/// one has a record that is still held; between two such places everything goes in one upload.
///
/// # Errors
/// `missing` if a record that is live or named at the end is not held; `limit` if an upload would be larger than any
/// server takes.
pub fn heal_pieces(lost: &Lost<'_>, piece_bytes: usize) -> Result<Vec<HealPiece>, Refused> {
    let plan = plan_heal(lost.states, lost.commits);
    let mut pieces = Vec::new();
    let mut base = lost.server_state;
    let mut rest = plan.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut(Upload::onto(base, lost), rest, piece_bytes)?);
        let mut upload = Upload::onto(base, lost);
        for step in now {
            upload.add(*step);
        }
        base = upload.state;
        pieces.push(upload.into_piece(now));
        rest = later;
    }
    Ok(pieces)
}

/// How many of the steps go into one upload: as many as fit, or else as few as can stand alone.
fn cut(mut upload: Upload<'_>, steps: &[HealPlan], piece_bytes: usize) -> Result<usize, Refused> {
    const MISSING: Refused = Refusal::Missing.because("a record that the server has lost is not held here");
    const LIMIT: Refused = Refusal::Limit.because("what the server has lost is too much for one upload");
    let mut whole = None;
    for (index, step) in steps.iter().enumerate() {
        upload.add(*step);
        if upload.bytes > piece_bytes && whole.is_some() {
            break;
        }
        if upload.is_whole() {
            whole = Some((index + 1, upload.bytes));
        }
    }
    let (length, bytes) = whole.ok_or(MISSING)?;
    if bytes > MAX_HEAL_BYTES { Err(LIMIT) } else { Ok(length) }
}

/// An upload while steps are added to it.
struct Upload<'a> {
    lost: &'a Lost<'a>,
    base: &'a State,
    /// The newest state once the upload is taken.
    state: &'a State,
    /// Vaults of which the server then has a commit.
    begun: BTreeSet<VaultId>,
    /// What each object has become: the record put last, `None` for a purge.
    changed: BTreeMap<(VaultId, ObjectId), Option<Digest>>,
    /// Objects whose record is not held, being superseded later.
    unheld: usize,
    bytes: usize,
}

impl<'a> Upload<'a> {
    fn onto(base: &'a State, lost: &'a Lost<'a>) -> Self {
        let begun = base.vaults.iter().map(|vault| vault.id).collect();
        Self { lost, base, state: base, begun, changed: BTreeMap::new(), unheld: 0, bytes: 0 }
    }

    fn add(&mut self, step: HealPlan) {
        match step {
            HealPlan::State(version) => {
                let Some(state) = self.lost.state(version) else { return };
                self.bytes += state.as_bytes().len() + FRAME_BYTES;
                self.state = state;
            }
            HealPlan::Commit(vault_id, seq) => {
                let Some(commit) = self.lost.commit(vault_id, seq) else { return };
                self.bytes += commit.as_bytes().len() + FRAME_BYTES;
                self.begun.insert(vault_id);
                for change in &commit.changes {
                    let put = Some(change.record_hash).filter(|_| change.op == Op::Put);
                    self.change((vault_id, change.object_id), put);
                }
            }
        }
    }

    fn change(&mut self, object: (VaultId, ObjectId), put: Option<Digest>) {
        let held = |hash: Digest| self.lost.held.get(&hash).map(|length| length + FRAME_BYTES);
        match put.map(held) {
            Some(Some(length)) => self.bytes += length,
            Some(None) => self.unheld += 1,
            None => {}
        }
        match self.changed.insert(object, put).flatten().map(held) {
            Some(Some(length)) => self.bytes -= length,
            Some(None) => self.unheld -= 1,
            None => {}
        }
    }

    /// Whether the server can take it as it is (`spec/api.md`, "Healing").
    fn is_whole(&self) -> bool {
        let on_server: BTreeSet<Digest> = self.base.named_records().collect();
        self.unheld == 0
            && self.state.vaults.iter().all(|vault| self.begun.contains(&vault.id))
            && self
                .state
                .named_records()
                .all(|hash| on_server.contains(&hash) || self.lost.held.contains_key(&hash))
    }

    fn into_piece(self, steps: &[HealPlan]) -> HealPiece {
        let named = self.state.named_records().filter(|hash| self.lost.held.contains_key(hash));
        let named_records = if self.state.version == self.base.version {
            Vec::new()
        } else {
            named.collect::<BTreeSet<_>>().into_iter().collect()
        };
        let put = self.changed.into_iter().filter(|(_, put)| put.is_some());
        HealPiece { steps: steps.to_vec(), records: put.map(|(object, _)| object).collect(), named_records }
    }
}

impl<'a> Lost<'a> {
    fn state(&self, version: u64) -> Option<&'a State> {
        let first = self.states.first()?.version;
        self.states.get(usize::try_from(version.checked_sub(first)?).ok()?)
    }

    fn commit(&self, vault_id: VaultId, seq: u64) -> Option<&'a Commit> {
        let commits = self.commits.get(&vault_id)?;
        let first = commits.first()?.seq;
        commits.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }
}
