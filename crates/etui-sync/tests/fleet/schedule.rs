//! What can happen to a fleet, and a fleet to which it happens.

use std::collections::BTreeSet;

use etui_chain::{KeysetEntry, KeysetKind, ObjectId, VaultId};
use etui_crypto::{random_id, seal_keyset};
use etui_sync::StateChange;
use etui_vault::{Edit, Entry, EntryType, FieldPath, apply};
use proptest::prelude::*;

use crate::kit::{
    Account,
    device::{Device, Died, Doom},
    keyset_key,
    server::Server,
    vault::add_vault,
    wire::{Fate, Wire},
};

const MAX_DEVICES: usize = 4;
const MAX_VAULTS: usize = 2;

/// One thing that happens. The numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Create { device: u8, vault: u8 },
    Change { device: u8, vault: u8, entry: u8, field: u8 },
    Trash { device: u8, vault: u8, entry: u8 },
    Purge { device: u8, vault: u8, entry: u8 },
    Settings { device: u8, vault: u8 },
    Push { device: u8, vault: u8, fate: Fate },
    Pull { device: u8, vault: u8 },
    PullStates { device: u8 },
    Wish { device: u8 },
    PushState { device: u8, fate: Fate },
    Join,
    AddVault { device: u8 },
    LateRequest { index: u8 },
    AskWithoutWaiting { device: u8, vault: u8 },
    LateAnswer { device: u8, index: u8 },
    Kill { device: u8, after_steps: u8, durable: bool },
    Restart { device: u8 },
    Sync { device: u8 },
    FetchHistory { device: u8 },
}

pub(crate) fn any_schedule() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(any_op(), 1..60)
}

fn any_op() -> impl Strategy<Value = Op> {
    let (device, vault, entry) = (0..4_u8, prop_oneof![3 => Just(0_u8), 1 => Just(1)], 0..3_u8);
    let at = (device.clone(), vault, entry);
    prop_oneof![
        3 => at.clone().prop_map(|(device, vault, _)| Op::Create { device, vault }),
        8 => (at.clone(), 0..4_u8)
            .prop_map(|((device, vault, entry), field)| Op::Change { device, vault, entry, field }),
        1 => at.clone().prop_map(|(device, vault, entry)| Op::Trash { device, vault, entry }),
        2 => at.clone().prop_map(|(device, vault, entry)| Op::Purge { device, vault, entry }),
        1 => at.clone().prop_map(|(device, vault, _)| Op::Settings { device, vault }),
        8 => (at.clone(), any_fate()).prop_map(|((device, vault, _), fate)| Op::Push { device, vault, fate }),
        6 => at.clone().prop_map(|(device, vault, _)| Op::Pull { device, vault }),
        3 => device.clone().prop_map(|device| Op::PullStates { device }),
        1 => device.clone().prop_map(|device| Op::Wish { device }),
        3 => (device.clone(), any_fate()).prop_map(|(device, fate)| Op::PushState { device, fate }),
        2 => Just(Op::Join),
        1 => device.clone().prop_map(|device| Op::AddVault { device }),
        2 => (0..8_u8).prop_map(|index| Op::LateRequest { index }),
        1 => at.prop_map(|(device, vault, _)| Op::AskWithoutWaiting { device, vault }),
        1 => (device.clone(), 0..4_u8).prop_map(|(device, index)| Op::LateAnswer { device, index }),
        3 => (device.clone(), 0..3_u8, any::<bool>())
            .prop_map(|(device, after_steps, durable)| Op::Kill { device, after_steps, durable }),
        1 => device.clone().prop_map(|device| Op::Restart { device }),
        1 => device.clone().prop_map(|device| Op::FetchHistory { device }),
        1 => device.prop_map(|device| Op::Sync { device }),
    ]
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Delivered),
        1 => Just(Fate::RequestLost),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Late),
    ]
}

pub(crate) struct Fleet {
    pub(crate) account: Account,
    pub(crate) devices: Vec<Device>,
    pub(crate) wire: Wire,
    pub(crate) vault_ids: Vec<VaultId>,
    /// Every value that a person was told is saved.
    pub(crate) saved: BTreeSet<String>,
    /// Those of them that somebody saw in an entry and purged with it.
    pub(crate) purged: BTreeSet<String>,
    values: u32,
    /// What the server held at first: the oldest backup from which it could be restored.
    pub(crate) founding: Server,
}

impl Fleet {
    pub(crate) fn founded() -> Self {
        let (account, server, device) = Account::found(0);
        let vault_ids = vec![account.vault_id];
        let (saved, purged) = (BTreeSet::new(), BTreeSet::new());
        let founding = server.clone();
        let (devices, wire) = (vec![device], Wire::to(server));
        Self { account, devices, wire, vault_ids, saved, purged, values: 0, founding }
    }

    pub(crate) fn run(&mut self, op: Op) {
        match op {
            Op::Create { device, vault } => self.create(device, vault),
            Op::Change { device, vault, entry, field } => self.change(device, vault, entry, field),
            Op::Trash { device, vault, entry } => self.trash(device, vault, entry),
            Op::Purge { device, vault, entry } => self.purge(device, vault, entry),
            Op::Settings { device, vault } => self.change_settings(device, vault),
            Op::Wish { device } => self.wish(device),
            Op::Join if self.devices.len() < MAX_DEVICES => {
                let seed = 1 + self.devices.len() as u64;
                self.devices.push(Device::join(&self.account, &self.wire.server, seed));
            }
            Op::AddVault { device } if self.vault_ids.len() < MAX_VAULTS => {
                let index = self.device(device);
                let device = &mut self.devices[index];
                self.vault_ids.extend(add_vault(&mut self.account, device, &mut self.wire.server));
            }
            Op::Join | Op::AddVault { .. } => {}
            Op::LateRequest { index } => self.wire.deliver_late(usize::from(index)),
            Op::Kill { device, after_steps, durable } => {
                let index = self.device(device);
                self.devices[index].doom = Some(Doom { after_steps, durable });
            }
            Op::Restart { device } => {
                let index = self.device(device);
                self.devices[index].restart();
            }
            Op::Sync { device } => {
                let index = self.device(device);
                self.devices[index].sync(&self.account, &mut self.wire);
            }
            networking => {
                let _died = self.run_on_network(networking);
            }
        }
    }

    /// Late requests arrive at last and all devices talk with the server.
    pub(crate) fn settle(&mut self) {
        while !self.wire.late.is_empty() {
            self.wire.deliver_late(0);
        }
        for _ in 0..2 {
            for device in &mut self.devices {
                device.sync(&self.account, &mut self.wire);
                while device.fetch_history(&self.wire.server).is_err() {}
            }
        }
    }

    fn run_on_network(&mut self, op: Op) -> Result<(), Died> {
        let (account, wire) = (&self.account, &mut self.wire);
        let (count, vault_ids) = (self.devices.len(), &self.vault_ids);
        let devices = &mut self.devices;
        let at = |device: u8| usize::from(device) % count;
        let vault_at = |vault: u8| vault_ids[usize::from(vault) % vault_ids.len()];
        match op {
            Op::Push { device, vault, fate } => {
                let (device, vault_id) = (&mut devices[at(device)], vault_at(vault));
                if device.holds(&vault_id) {
                    device.push(account, vault_id, wire, fate)?;
                }
            }
            Op::Pull { device, vault } => {
                devices[at(device)].pull(account, vault_at(vault), &wire.server)?;
            }
            Op::PullStates { device } => devices[at(device)].pull_states(&wire.server)?,
            Op::PushState { device, fate } => devices[at(device)].push_state(account, wire, fate)?,
            Op::FetchHistory { device } => devices[at(device)].fetch_history(&wire.server)?,
            Op::AskWithoutWaiting { device, vault } => {
                let (device, vault_id) = (&mut devices[at(device)], vault_at(vault));
                if device.holds(&vault_id) {
                    let after = device.engine.head(&vault_id).seq;
                    device.late_pulls.push((vault_id, wire.server.changes(vault_id, after)));
                }
            }
            Op::LateAnswer { device, index } => {
                devices[at(device)].take_late_answer(account, usize::from(index))?;
            }
            _ => unreachable!("not an operation of the network"),
        }
        Ok(())
    }

    fn create(&mut self, device: u8, vault: u8) {
        let Some((index, vault_id)) = self.held(device, vault) else { return };
        let value = self.value();
        let entry = Entry::new(EntryType::Login, &value, self.account.now());
        let outcome = self.devices[index]
            .create(&self.account, vault_id, &entry.encode().unwrap())
            .map(|_object_id| ());
        self.note_saved(outcome, value);
    }

    fn change(&mut self, device: u8, vault: u8, entry: u8, field: u8) {
        let Some((index, vault_id, object_id)) = self.chosen(device, vault, entry) else { return };
        let value = self.value();
        let path = match field {
            0 => FieldPath::Title,
            1 => FieldPath::Username,
            2 => FieldPath::Password,
            _ => FieldPath::Notes,
        };
        let edit = Edit::Set { path, value: value.as_str().into() };
        let outcome = self.edit_entry(index, vault_id, object_id, edit);
        self.note_saved(outcome, value);
    }

    fn trash(&mut self, device: u8, vault: u8, entry: u8) {
        let Some((index, vault_id, object_id)) = self.chosen(device, vault, entry) else { return };
        let _died = self.edit_entry(index, vault_id, object_id, Edit::Trash);
    }

    fn purge(&mut self, device: u8, vault: u8, entry: u8) {
        let Some((index, vault_id, object_id)) = self.chosen(device, vault, entry) else { return };
        let body = self.devices[index].body(&self.account, vault_id, object_id);
        let outcome = self.devices[index].purge(&self.account, vault_id, object_id);
        if is_durable(outcome) {
            self.purged.extend(self.saved.iter().filter(|value| body.contains(*value)).cloned());
        }
    }

    fn change_settings(&mut self, device: u8, vault: u8) {
        let Some((index, vault_id)) = self.held(device, vault) else { return };
        let value = self.value();
        let settings = vault_id.id().into();
        let body = self.devices[index].body(&self.account, vault_id, settings);
        let body = format!("{body}\n{value}");
        let outcome = self.devices[index].change(&self.account, vault_id, settings, body.as_bytes());
        self.note_saved(outcome, value);
    }

    /// A further way of unlocking.
    fn wish(&mut self, device: u8) {
        let index = self.device(device);
        let account = &self.account;
        let device = &mut self.devices[index];
        if device.wish.is_some() {
            return;
        }
        let id = random_id(&mut device.random).unwrap();
        let key = keyset_key(account.keyset.account_id(), &mut device.random);
        let sealed = seal_keyset(&key, id, 1, &account.keyset, &mut device.random).unwrap();
        let entry = KeysetEntry { id, kind: KeysetKind::Recovery, version: 1, record_hash: sealed.hash };
        let named_records = vec![sealed.bytes];
        device.wish = Some(StateChange { put_keysets: vec![entry], named_records, ..StateChange::default() });
    }

    fn edit_entry(
        &mut self,
        index: usize,
        vault_id: VaultId,
        object_id: ObjectId,
        edit: Edit,
    ) -> Result<(), Died> {
        let device = &mut self.devices[index];
        let entry = Entry::decode(device.body(&self.account, vault_id, object_id).as_bytes()).unwrap();
        let edited = apply(&entry, &[edit], self.account.now()).unwrap();
        device.change(&self.account, vault_id, object_id, &edited.encode().unwrap())
    }

    fn note_saved(&mut self, outcome: Result<(), Died>, value: String) {
        if is_durable(outcome) {
            self.saved.insert(value);
        }
    }

    /// A value that is no part of another one.
    fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}.", self.values)
    }

    fn device(&self, number: u8) -> usize {
        usize::from(number) % self.devices.len()
    }

    /// A vault that the device holds.
    fn held(&self, device: u8, vault: u8) -> Option<(usize, VaultId)> {
        let index = self.device(device);
        let vault_id = self.vault_ids[usize::from(vault) % self.vault_ids.len()];
        self.devices[index].holds(&vault_id).then_some((index, vault_id))
    }

    /// An entry that a person sees at the device.
    fn chosen(&self, device: u8, vault: u8, entry: u8) -> Option<(usize, VaultId, ObjectId)> {
        let (index, vault_id) = self.held(device, vault)?;
        let visible = self.devices[index].visible(vault_id);
        let object_id = visible.get(usize::from(entry) % visible.len().max(1))?;
        Some((index, vault_id, *object_id))
    }
}

fn is_durable(outcome: Result<(), Died>) -> bool {
    outcome.map_or_else(|died| died.durable, |()| true)
}
