//! Two devices that edit, lose answers and restart hold the same in the end, and nothing saved is lost.

use std::collections::BTreeSet;

use etui_chain::VaultId;
use etui_crypto::RandomSource as _;
use etui_vault::{Edit, Entry, EntryType, FieldPath, apply};

use super::{
    kit::{
        Account, Random,
        device::Device,
        wire::{Fate, Wire},
    },
    pick,
};

const STEPS: usize = 24;

pub(super) fn holds(random: &mut Random) {
    let mut pair = Pair::new(random);
    for _ in 0..STEPS {
        let index = pick(random, 2);
        match pick(random, 8) {
            0..3 => pair.edit(index, random),
            3..6 => pair.push(index, random),
            6 => pair.pull(index),
            _ => pair.devices[index].restart(),
        }
    }
    pair.settle();
    let [one, two] = [0, 1].map(|index| pair.bodies(index));
    assert_eq!(one, two, "two devices on a par differ");
    let lost = pair.saved.iter().find(|value| !one.iter().any(|body| body.contains(value.as_str())));
    assert_eq!(lost, None, "saved and lost");
}

struct Pair {
    account: Account,
    wire: Wire,
    devices: [Device; 2],
    vault_id: VaultId,
    saved: BTreeSet<String>,
}

impl Pair {
    fn new(random: &mut Random) -> Self {
        let [first, second] = [seed(random), seed(random)];
        let (account, server, mut one) = Account::found(first);
        let mut wire = Wire::to(server);
        let mut two = Device::join(&account, &wire.server, second);
        two.sync(&account, &mut wire);
        one.sync(&account, &mut wire);
        let vault_id = account.vault_id;
        Self { account, wire, devices: [one, two], vault_id, saved: BTreeSet::new() }
    }

    /// Changes an entry that the device shows, or makes a new one.
    fn edit(&mut self, index: usize, random: &mut Random) {
        let (account, vault_id, device) = (&self.account, self.vault_id, &mut self.devices[index]);
        let value = format!("v{}.", self.saved.len());
        let visible = device.visible(vault_id);
        let chosen = visible.get(pick(random, 4)).copied();
        if let Some(object_id) = chosen {
            let entry = Entry::decode(device.body(account, vault_id, object_id).as_bytes()).unwrap();
            let path = [FieldPath::Username, FieldPath::Password].into_iter().nth(pick(random, 2)).unwrap();
            let edit = Edit::Set { path, value: value.as_str().into() };
            let entry = apply(&entry, &[edit], account.now()).unwrap();
            device.change(account, vault_id, object_id, &entry.encode().unwrap()).unwrap();
        } else {
            let entry = Entry::new(EntryType::Login, &value, account.now());
            device.create(account, vault_id, &entry.encode().unwrap()).unwrap();
        }
        self.saved.insert(value);
    }

    fn push(&mut self, index: usize, random: &mut Random) {
        const FATES: [Fate; 5] =
            [Fate::Delivered, Fate::RequestLost, Fate::AnswerLost, Fate::Twice, Fate::Late];
        let fate = FATES[pick(random, FATES.len())];
        self.devices[index].push(&self.account, self.vault_id, &mut self.wire, fate).unwrap();
    }

    fn pull(&mut self, index: usize) {
        self.devices[index].pull(&self.account, self.vault_id, &self.wire.server).unwrap();
    }

    /// Late requests arrive at last, and both devices talk with the server.
    fn settle(&mut self) {
        while !self.wire.late.is_empty() {
            self.wire.deliver_late(0);
        }
        for index in [0, 1, 0] {
            self.devices[index].sync(&self.account, &mut self.wire);
        }
        let [one, two] = &self.devices;
        assert_eq!(one.engine.head_code(), two.engine.head_code());
    }

    fn bodies(&self, index: usize) -> Vec<String> {
        let device = &self.devices[index];
        let ids = device.visible(self.vault_id).into_iter();
        ids.map(|id| device.body(&self.account, self.vault_id, id)).collect()
    }
}

fn seed(random: &mut Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
