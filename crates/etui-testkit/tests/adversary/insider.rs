//! Somebody who has the account's keys and signs what no client would: what the signature alone does not stop must be
//! stopped by what a device has pinned.

use etui_api::{
    frame::Frame,
    sync::{PullHeader, StatesHeader, decode_header, encode_header},
};
use etui_chain::{Head, KeysetKind, Signature, State, StateBody};
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, MasterPassword, RandomSource, derive_master_key,
    open_keyset, random_salt, seal_keyset,
};
use etui_testkit::{
    Device, MASTER_PASSWORD,
    evil::{Mutation, Subject, catalogue},
    seed::Seeded,
};

use crate::keys::{frames, keysets};

pub(crate) struct Insider {
    keyset: Keyset,
    newest: State,
    head: Head,
}

/// A state as it was signed, with the records that it newly names.
pub(crate) struct Signed {
    state: State,
    named_records: Vec<Vec<u8>>,
}

impl Insider {
    /// With the keys of a device that has joined, and all that it has seen.
    pub(crate) fn of(joined: &Device) -> Self {
        let traffic = joined.wire().traffic();
        let keysets = keysets(&traffic);
        let key =
            master_keyset_key(&CheckedKdf::new(keysets.kdf, None).expect("in bounds"), keysets.account_id);
        let sealed = &keysets.keysets[0];
        let keyset = open_keyset(&key, sealed.id, sealed.version, None, &sealed.record).expect("it opens");
        let passed = frames(&traffic);
        let states = passed.iter().filter_map(|frame| match frame {
            Frame::State(bytes) => Some(State::parse(bytes).expect("a state")),
            _ => None,
        });
        let heads = passed.iter().filter_map(|frame| match frame {
            Frame::Header(bytes) => decode_header::<PullHeader>(bytes).ok().map(|header| header.head),
            _ => None,
        });
        Self {
            keyset,
            newest: states.max_by_key(|state| state.version).expect("a state has passed"),
            head: heads.max_by_key(|head| head.seq).expect("a head has passed"),
        }
    }

    /// Goes on from a state of its own.
    pub(crate) fn after(mut self, signed: &Signed) -> Self {
        self.newest = signed.state.clone();
        self
    }

    /// A state under which the master key takes so much memory to derive, and the master keyset sealed accordingly.
    pub(crate) fn with_memory(&self, m_kib: u32) -> Signed {
        let mut random = SeededBytes(Seeded::new(m_kib.into()));
        let parameters = KdfParameters { m_kib, ..KdfParameters::FLOOR };
        let mut body = StateBody::clone(&self.newest);
        body.version += 1;
        body.previous = self.newest.hash();
        body.kdf = parameters.describe(random_salt(&mut random), false);
        (body.vaults[0].head_seq, body.vaults[0].head_hash) = (self.head.seq, self.head.hash);
        let key = master_keyset_key(&CheckedKdf::new(body.kdf, None).expect("in bounds"), body.account_id);
        let master =
            body.keysets.iter_mut().find(|entry| entry.kind == KeysetKind::Master).expect("it is listed");
        master.version += 1;
        let sealed =
            seal_keyset(&key, master.id, master.version, &self.keyset, &mut random).expect("it is sealed");
        master.record_hash = sealed.hash;
        Signed { state: self.keyset.identity().sign_state(body), named_records: vec![sealed.bytes] }
    }
}

/// Has no key, and shows a line of states: one in each answer, and always more to come. It ends at last, so that a device
/// that believes in it ends, too.
pub(crate) fn long_line_of_states(seen_by: &Device) -> Mutation {
    let Insider { newest, .. } = Insider::of(seen_by);
    let states = |subject| subject == Subject::States;
    Mutation::of_frames("long_line_of_states", states, move |question, _| {
        let after = question.query.strip_prefix("after=").and_then(|after| after.parse().ok());
        let mut body = StateBody::clone(&newest);
        body.version = after.unwrap_or(newest.version) + 1;
        body.previous = newest.hash();
        let state = body.sign_with(vec![Signature::new([1; 64])]);
        let header = StatesHeader { newest: newest.version + 20 };
        vec![Frame::Header(encode_header(&header)), Frame::State(state.as_bytes().to_vec())]
    })
}

impl Signed {
    /// The same with a signature that is none.
    pub(crate) fn forged(&self) -> Self {
        let mut bytes = self.state.as_bytes().to_vec();
        *bytes.last_mut().expect("a signature comes last") ^= 1;
        let state = State::parse(&bytes).expect("it is well formed");
        Self { state, named_records: self.named_records.clone() }
    }

    /// The server gives it to whoever asks for states.
    pub(crate) fn as_mutation(&self) -> Mutation {
        catalogue::further_state(self.state.as_bytes(), &self.named_records)
    }
}

fn master_keyset_key(kdf: &CheckedKdf, account_id: etui_chain::AccountId) -> KeysetKey {
    let password = MasterPassword::new(MASTER_PASSWORD).expect("it can be typed");
    KeysetKey::from_master(&derive_master_key(&password, None, kdf, account_id).expect("it derives"))
}

struct SeededBytes(Seeded);

impl RandomSource for SeededBytes {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.next().to_be_bytes()[0]);
    }
}
