//! What the people and devices of a sequence know: it makes calls of operations, and learns from the answers.

use std::{collections::BTreeMap, time::Duration};

use etui_api::session::Method;
use etui_chain::{AccountId, DeviceId, Digest, ObjectId, Op, PublicKey, StateBody, VaultId};
use etui_store::{
    Admission, CommitUpload, Exchange, HealStep, HealUpload, Invitation, NewSession, Purpose, Role,
    SessionId, StateUpload,
};

use super::{
    flaws,
    operation::{
        Change, Edits, HealFlaw, OBJECTS, Operation, PEOPLE, PushFlaw, SignUpFlaw, Since, StateFlaw, Wish,
        Work,
    },
    twin::{Answer, Call, NO_SESSION, Request, is_rotated},
};
use crate::{
    client::{Client, DAY_MS, Edit, LOGIN_HASH, NOW_MS},
    states::{replace_keyset, with_new_vault},
};

/// Everything that is known outside the stores.
pub(crate) struct World {
    pub(crate) now_ms: u64,
    people: Vec<Person>,
    sessions: Vec<Session>,
    /// Gives ids and tokens that nobody else gives.
    names: Client,
    /// The people as they were when the newest backup was made.
    backup: Option<Vec<Person>>,
    /// What was taken, to be sent once more.
    taken: Vec<Request>,
    /// What was begun.
    begun: Vec<(Digest, Purpose)>,
    invitations: Vec<Digest>,
}

/// Somebody who may have an account.
#[derive(Clone)]
struct Person {
    seed: u64,
    email: String,
    devices: Vec<DeviceId>,
    /// What the server has.
    held: Option<Copy>,
    /// What it had before the last change.
    before: Option<Client>,
    /// What a device has that went on alone.
    ahead: Option<Copy>,
    /// Objects that are edited, and those that were purged.
    objects: BTreeMap<VaultId, Vec<ObjectId>>,
    purged: Vec<(VaultId, ObjectId)>,
}

/// An account, and all that it takes to heal it.
#[derive(Clone)]
pub(crate) struct Copy {
    client: Client,
    log: HealUpload,
}

/// Somebody's session.
struct Session {
    id: SessionId,
    person: usize,
    device: DeviceId,
    /// Refresh tokens, the newest last.
    tokens: Vec<Digest>,
}

/// What becomes true once a call was answered well.
pub(crate) enum Outcome {
    Nothing,
    SignedUp { person: usize, copy: Box<Copy>, session: NewSession },
    SignedIn { person: usize, device: DeviceId, session: NewSession },
    Rotated { session: usize, next: Digest },
    Pushed { person: usize, client: Box<Client>, request: Request },
    NewState { person: usize, client: Box<Client>, request: Request },
    Healed { person: usize },
    Deleted { person: usize },
    BackedUp,
    Restored,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut names = Client::new(99);
        let people = (0..PEOPLE).map(|seed| Person::new(seed.into(), &mut names)).collect();
        Self {
            now_ms: NOW_MS,
            people,
            sessions: Vec::new(),
            names,
            backup: None,
            taken: Vec::new(),
            begun: Vec::new(),
            invitations: Vec::new(),
        }
    }

    /// What to ask; `None` where the operation means nothing yet, or nobody is asked.
    pub(crate) fn call(&mut self, operation: Operation) -> Option<(Call, Outcome)> {
        match operation {
            Operation::SignUp { person, address_of, invited, flaw } => {
                self.sign_up(person, address_of, invited, flaw)
            }
            Operation::SignIn { person, device } => Some(self.sign_in(person, device)),
            Operation::Refresh { session, back, request, says_whose } => {
                self.refresh(session, back, request, says_whose)
            }
            Operation::Begin { person, purpose, tries, lifetime } => {
                let account_id = person.map(|person| self.account_id(person));
                let secret = self.names.digest();
                self.begun.push((secret, purpose));
                Some((Call::Begin { secret, purpose, account_id, tries, lifetime }, Outcome::Nothing))
            }
            Operation::Show { secret, purpose, how } => {
                let (secret, meant) = self.begun[nth(secret, self.begun.len())?];
                let purpose = purpose.unwrap_or(meant);
                Some((Call::Show { secret, purpose, how }, Outcome::Nothing))
            }
            Operation::Invite { person, role, lifetime, first } => {
                Some((self.invite(person, role, lifetime, first), Outcome::Nothing))
            }
            Operation::Recognise { what } => Some((Call::Recognise { what }, Outcome::Nothing)),
            Operation::FindAddress { person, upper_case } => {
                let email = self.people[usize::from(person)].email.clone();
                let email = if upper_case { email.to_uppercase() } else { email };
                Some((Call::FindAddress(email), Outcome::Nothing))
            }
            Operation::Ask { session, late, wish } => {
                let session = nth(session, self.sessions.len())?;
                let (request, outcome) = self.request(session, wish)?;
                Some((Call::Ask { session, late, request }, outcome))
            }
            Operation::Alone { session, work } => {
                self.work_alone(session, work);
                None
            }
            Operation::Wait { ms } => {
                self.now_ms += ms;
                None
            }
            Operation::Collect { grace } => Some((Call::Collect(grace), Outcome::Nothing)),
            Operation::Reopen { fault } => Some((Call::Reopen(fault), Outcome::Nothing)),
            Operation::BackUp => Some((Call::BackUp, Outcome::BackedUp)),
            Operation::Restore => self.backup.as_ref().map(|_| (Call::Restore, Outcome::Restored)),
        }
    }

    /// Takes what the stores have answered.
    pub(crate) fn learn(&mut self, outcome: Outcome, answer: &Answer) {
        match answer {
            Ok(lines) if lines.first().is_some_and(|line| line == NO_SESSION) => {}
            Ok(_) => self.take(outcome, answer),
            // Another branch is there for good.
            Err(error) if error.contains("Fork") => self.give_up(&outcome),
            Err(_) => {}
        }
    }

    fn take(&mut self, outcome: Outcome, answer: &Answer) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::SignedUp { person, copy, session } => {
                let device = copy.client.device_id;
                let seed = self.people[person].seed;
                self.people[person] = Person { held: Some(*copy), ..Person::new(seed, &mut self.names) };
                self.begin(person, device, session);
            }
            Outcome::SignedIn { person, device, session } => self.begin(person, device, session),
            Outcome::Rotated { session, next } => {
                let tokens = &mut self.sessions[session].tokens;
                if is_rotated(answer) && !tokens.contains(&next) {
                    tokens.push(next);
                }
            }
            Outcome::Pushed { person, client, request } => self.pushed(person, &client, request),
            Outcome::NewState { person, client, request } => self.new_state(person, *client, request),
            Outcome::Healed { person } => {
                let person = &mut self.people[person];
                if let Some(ahead) = person.ahead.take() {
                    person.before = person.held.replace(ahead).map(|copy| copy.client);
                }
            }
            Outcome::Deleted { person } => {
                let person = &mut self.people[person];
                (person.held, person.before, person.ahead) = (None, None, None);
            }
            Outcome::BackedUp => self.backup = Some(self.people.clone()),
            Outcome::Restored => self.restored(),
        }
    }

    /// A look at everything: each account with a new session.
    pub(crate) fn last_looks(&self) -> Vec<Operation> {
        let mut looks = Vec::new();
        for person in 0..PEOPLE {
            let Some(held) = &self.people[usize::from(person)].held else { continue };
            looks.push(Operation::SignIn { person, device: 0 });
            let after = Since::Number(0);
            let mut wishes =
                vec![Wish::NewestState, Wish::Devices, Wish::Keysets, Wish::States { after: Some(after) }];
            for vault in 0..u8::try_from(held.client.vaults.len()).unwrap() {
                wishes.extend([Wish::Changes { vault, after }, Wish::Commits { vault, after }]);
            }
            looks.extend(wishes.into_iter().map(|wish| Operation::Ask { session: 0, late: false, wish }));
        }
        looks
    }

    fn account_id(&self, person: u8) -> AccountId {
        Client::new(self.people[usize::from(person)].seed).account_id
    }

    fn invite(&mut self, person: Option<u8>, role: Role, lifetime: Duration, first: bool) -> Call {
        let secret_hash = self.names.digest();
        self.invitations.push(secret_hash);
        let email = person.map(|person| self.people[usize::from(person)].email.clone());
        let expires_ms = self.now_ms + u64::try_from(lifetime.as_millis()).unwrap();
        let invitation = Invitation { secret_hash, email, role, plan: None, mailed: false, expires_ms };
        Call::Invite { invitation, first }
    }

    fn sign_up(
        &mut self,
        person: u8,
        address_of: u8,
        invited: Option<u8>,
        flaw: Option<SignUpFlaw>,
    ) -> Option<(Call, Outcome)> {
        let admission = match invited {
            None => Admission::Open { at_home: true },
            Some(which) => Admission::Invited(self.invitations[nth(which, self.invitations.len())?]),
        };
        let person = usize::from(person);
        let email = self.people[usize::from(address_of)].email.clone();
        let mut client = Client::new(self.people[person].seed);
        let (mut upload, _) = client.first_state();
        let mut log = HealUpload::default();
        note_state(&mut log, &upload);
        let mut device_id = client.device_id;
        match flaw {
            None => {}
            Some(SignUpFlaw::OtherDevice) => device_id = self.names.id(),
            Some(SignUpFlaw::NoKeyset) => drop(upload.named_records.remove(0)),
            Some(SignUpFlaw::NoFirstCommit) => upload.first_commits.clear(),
        }
        let session = self.new_session();
        let outcome = Outcome::SignedUp { person, copy: Box::new(Copy { client, log }), session };
        Some((Call::SignUp { email, admission, device_id, upload, session }, outcome))
    }

    fn sign_in(&mut self, person: u8, device: u8) -> (Call, Outcome) {
        let index = usize::from(person);
        let session = self.new_session();
        let person = &self.people[index];
        let device_id = person.devices[usize::from(device) % person.devices.len()];
        let account_id = self.account_id(u8::try_from(index).unwrap());
        let outcome = Outcome::SignedIn { person: index, device: device_id, session };
        (Call::SignIn { account_id, device_id, session }, outcome)
    }

    fn refresh(
        &mut self,
        session: u8,
        back: u8,
        request: Option<u8>,
        says_whose: bool,
    ) -> Option<(Call, Outcome)> {
        let session = nth(session, self.sessions.len())?;
        let Session { id, tokens, .. } = &self.sessions[session];
        let issued_for = Some(*id).filter(|_| says_whose);
        let held = tokens.len().checked_sub(1 + usize::from(back)).map(|index| tokens[index]);
        let presented = held.unwrap_or_else(|| self.names.digest());
        let request = request.map(|request| Digest::of(&[b"request", &[request]]));
        let next = match request {
            Some(request) => Digest::of(&[presented.as_bytes(), request.as_bytes()]),
            None => self.names.digest(),
        };
        let expires_ms = self.now_ms + DAY_MS;
        let call = Call::Refresh(Exchange { presented, issued_for, request, next, expires_ms });
        Some((call, Outcome::Rotated { session, next }))
    }

    fn request(&mut self, session: usize, wish: Wish) -> Option<(Request, Outcome)> {
        let (person, device) = (self.sessions[session].person, self.sessions[session].device);
        let vault_of = |vault| self.people[person].vault(vault);
        let request = match wish {
            Wish::Push { vault, edits, flaw } => return self.push(person, device, vault, &edits, flaw),
            Wish::State { change, flaw } => return self.state(person, change, flaw),
            Wish::Again { which } => self.taken[nth(which, self.taken.len())?].clone(),
            Wish::Heal { flaw } => return self.heal(person, flaw),
            Wish::DeleteAccount => return Some((Request::DeleteAccount, Outcome::Deleted { person })),
            Wish::Touch => Request::Touch,
            Wish::EndSession => Request::EndSession,
            Wish::EndDevice { device } => {
                let devices = &self.people[person].devices;
                Request::EndDevice(devices[usize::from(device) % devices.len()])
            }
            Wish::Changes { vault, after } => {
                let vault_id = vault_of(vault)?;
                Request::Changes(vault_id, self.people[person].number(after, Some(vault_id)))
            }
            Wish::Commits { vault, after } => {
                let vault_id = vault_of(vault)?;
                Request::Commits(vault_id, self.people[person].number(after, Some(vault_id)))
            }
            Wish::States { after } => {
                Request::States(after.map(|after| self.people[person].number(after, None)))
            }
            Wish::Record { vault, object } => {
                let vault_id = vault_of(vault)?;
                let objects = self.people[person].objects_of(vault_id, &mut self.names);
                Request::Record(vault_id, objects[usize::from(object)])
            }
            Wish::NewestState => Request::NewestState,
            Wish::Devices => Request::Devices,
            Wish::Keysets => Request::Keysets,
            Wish::ReplaceLoginHash { from_the_same } => {
                Request::ReplaceLoginHash { before: if from_the_same { LOGIN_HASH } else { "another" } }
            }
            Wish::Change(change) => {
                let emails = self.people.iter().map(|person| person.email.clone()).collect();
                Request::Change { change, emails }
            }
            Wish::Ways => Request::Ways,
            Wish::UseTotp { step } => Request::UseTotp(step),
            Wish::UseRecoveryCode { code } => Request::UseRecoveryCode(code),
            Wish::Approve { device } => {
                let devices = &self.people[person].devices;
                Request::Approve(devices[usize::from(device) % devices.len()])
            }
        };
        Some((request, Outcome::Nothing))
    }

    fn push(
        &mut self,
        index: usize,
        device: DeviceId,
        vault: u8,
        edits: &Edits,
        flaw: Option<PushFlaw>,
    ) -> Option<(Request, Outcome)> {
        let person = &mut self.people[index];
        let mut client = person.held.as_ref()?.client.clone();
        if matches!(flaw, Some(PushFlaw::Behind)) {
            client = person.before.clone()?;
        }
        client.device_id = device;
        let vault_id = listed_vault(&client, vault)?;
        let mut edits = person.edits(&mut client, vault_id, edits, &mut self.names);
        if let Some(PushFlaw::PurgedIdAgain) = flaw {
            let purged = person.purged.iter().rev().find(|(vault, _)| *vault == vault_id)?;
            edits.push(Edit::Put(purged.1, 8));
        }
        let other = person.vault(vault.wrapping_add(1))?;
        let upload = flaws::push(&mut client, vault_id, &edits, flaw);
        let to = if let Some(PushFlaw::OtherVault) = flaw { other } else { vault_id };
        let request = Request::Push(to, upload);
        let outcome = Outcome::Pushed { person: index, client: Box::new(client), request: request.clone() };
        Some((request, outcome))
    }

    fn state(&mut self, index: usize, change: Change, flaw: Option<StateFlaw>) -> Option<(Request, Outcome)> {
        let person = &self.people[index];
        let mut client = match flaw {
            Some(StateFlaw::Behind) => person.before.clone()?,
            _ => person.held.as_ref()?.client.clone(),
        };
        let upload = changed(&mut client, &person.devices, change)?;
        let upload = flaws::state(&mut client, upload, flaw);
        client.state = Some(upload.state.clone());
        let request = Request::State(upload);
        let outcome = Outcome::NewState { person: index, client: Box::new(client), request: request.clone() };
        Some((request, outcome))
    }

    fn heal(&self, index: usize, flaw: Option<HealFlaw>) -> Option<(Request, Outcome)> {
        let person = &self.people[index];
        let mut upload = person.ahead.as_ref().or(person.held.as_ref())?.log.clone();
        match flaw {
            None => return Some((Request::Heal(upload), Outcome::Healed { person: index })),
            Some(HealFlaw::Step(which)) => drop(upload.steps.remove(nth(which, upload.steps.len())?)),
            Some(HealFlaw::Record(which)) => drop(upload.records.remove(nth(which, upload.records.len())?)),
            Some(HealFlaw::NamedRecord(which)) => {
                drop(upload.named_records.remove(nth(which, upload.named_records.len())?));
            }
        }
        Some((Request::Heal(upload), Outcome::Nothing))
    }

    fn work_alone(&mut self, session: u8, work: Work) -> Option<()> {
        let session = &self.sessions[nth(session, self.sessions.len())?];
        let person = &mut self.people[session.person];
        let mut copy = person.ahead.clone().or_else(|| person.held.clone())?;
        copy.client.device_id = session.device;
        match work {
            Work::Edit { vault, edits } => {
                copy.client.newest().device_key(&session.device)?;
                let vault_id = listed_vault(&copy.client, vault)?;
                let edits = person.edits(&mut copy.client, vault_id, &edits, &mut self.names);
                let upload = copy.client.edit(vault_id, &edits);
                copy.take(&upload);
            }
            Work::State { change } => {
                let upload = changed(&mut copy.client, &person.devices, change)?;
                copy.client.state = Some(upload.state.clone());
                note_state(&mut copy.log, &upload);
            }
        }
        person.ahead = Some(copy);
        Some(())
    }

    fn pushed(&mut self, person: usize, client: &Client, request: Request) {
        let Request::Push(_, upload) = &request else { unreachable!("a push") };
        let person = &mut self.people[person];
        let Some(copy) = &mut person.held else { return };
        if copy.client.head(upload.commit.vault_id).hash == upload.commit.prev_hash {
            let purges = upload.commit.changes.iter().filter(|change| change.op == Op::Purge);
            person.purged.extend(purges.map(|change| (upload.commit.vault_id, change.object_id)));
            person.before = Some(copy.client.clone());
            copy.take(upload);
            copy.client.draw_beyond(client);
            self.taken.push(request);
        }
    }

    fn new_state(&mut self, person: usize, client: Client, request: Request) {
        let Request::State(upload) = &request else { unreachable!("a state") };
        let person = &mut self.people[person];
        let Some(copy) = &mut person.held else { return };
        if upload.state.previous == copy.client.newest().hash() {
            person.before = Some(std::mem::replace(&mut copy.client, client));
            note_state(&mut copy.log, upload);
            self.taken.push(request);
        }
    }

    fn give_up(&mut self, outcome: &Outcome) {
        if let Outcome::Healed { person } = outcome {
            self.people[*person].ahead = None;
        }
    }

    /// Devices have what the server has lost.
    fn restored(&mut self) {
        let people = self.backup.clone().expect("only what was backed up is restored");
        for (person, before) in self.people.iter_mut().zip(people) {
            person.ahead = person.ahead.take().or(person.held.take()).filter(|_| before.held.is_some());
            (person.held, person.before) = (before.held, None);
        }
    }

    fn begin(&mut self, person: usize, device: DeviceId, session: NewSession) {
        let (id, tokens) = (session.session_id, vec![session.refresh_hash]);
        self.sessions.push(Session { id, person, device, tokens });
    }

    fn new_session(&mut self) -> NewSession {
        let session_id = SessionId::new(self.names.id());
        let (refresh_hash, expires_ms) = (self.names.digest(), self.now_ms + DAY_MS);
        NewSession { session_id, refresh_hash, expires_ms, method: Method::LoginPassword, is_present: true }
    }
}

impl Person {
    fn new(seed: u64, names: &mut Client) -> Self {
        let client = Client::new(seed);
        Self {
            seed,
            email: client.email(),
            devices: vec![client.device_id, names.id(), names.id()],
            held: None,
            before: None,
            ahead: None,
            objects: BTreeMap::new(),
            purged: Vec::new(),
        }
    }

    /// Any vault that was ever there.
    fn vault(&self, vault: u8) -> Option<VaultId> {
        let vaults = &self.held.as_ref()?.client.vaults;
        vaults.keys().nth(nth(vault, vaults.len())?).copied()
    }

    /// A commit of a vault, or a state.
    fn number(&self, after: Since, vault_id: Option<VaultId>) -> u64 {
        let newest = |copy: &Copy| match vault_id {
            Some(vault_id) => copy.client.vaults.get(&vault_id).map_or(0, |vault| vault.ledger.head().seq),
            None => copy.client.newest().version,
        };
        match after {
            Since::Number(number) => number,
            Since::BeforeTheLast(count) => self.held.as_ref().map_or(0, newest).saturating_sub(count),
        }
    }

    fn objects_of(&mut self, vault_id: VaultId, names: &mut Client) -> &mut Vec<ObjectId> {
        self.objects.entry(vault_id).or_insert_with(|| {
            let settings = vault_id.id().into();
            [settings].into_iter().chain((1..OBJECTS).map(|_| names.id())).collect()
        })
    }

    /// What is live may go; what has gone comes back only under a new id.
    fn edits(
        &mut self,
        client: &mut Client,
        vault_id: VaultId,
        wanted: &Edits,
        names: &mut Client,
    ) -> Vec<Edit> {
        let mut edits: Vec<Edit> = (0..wanted.many).map(|_| Edit::Put(client.id(), 8)).collect();
        let objects = self.objects_of(vault_id, names);
        for (index, length) in &wanted.objects {
            let object = &mut objects[usize::from(*index)];
            let live = client.vaults[&vault_id].records.contains_key(object);
            match length {
                Some(length) => edits.push(Edit::Put(*object, *length)),
                None if live && object.id() != vault_id.id() => {
                    edits.push(Edit::Purge(*object));
                    *object = names.id();
                }
                None => {}
            }
        }
        edits
    }
}

impl Copy {
    fn take(&mut self, upload: &CommitUpload) {
        self.client.take(upload);
        note_commit(&mut self.log, upload);
    }
}

fn note_commit(log: &mut HealUpload, upload: &CommitUpload) {
    log.steps.push(HealStep::Commit(upload.commit.clone()));
    log.records.extend(upload.records.iter().cloned());
}

fn note_state(log: &mut HealUpload, upload: &StateUpload) {
    log.steps.push(HealStep::State(upload.state.clone()));
    log.named_records.extend(upload.named_records.iter().cloned());
    for first in &upload.first_commits {
        note_commit(log, first);
    }
}

/// The next state; the client takes what comes with it. Without a device, nobody can begin a vault.
fn changed(client: &mut Client, devices: &[DeviceId], change: Change) -> Option<StateUpload> {
    match change {
        Change::AddVault => {
            client.device_id = client.newest().devices.first()?.0;
            Some(with_new_vault(client).0)
        }
        Change::ReplaceKeyset => {
            let upload = client.bare_state();
            Some(replace_keyset(client, upload))
        }
        _ => {
            let mut body = client.next_body();
            change_body(client, &mut body, devices, change);
            Some(StateUpload { state: client.sign_state(body), ..client.bare_state() })
        }
    }
}

fn change_body(client: &Client, body: &mut StateBody, devices: &[DeviceId], change: Change) {
    let device = |index: u8| devices[usize::from(index) % devices.len()];
    match change {
        Change::Nothing | Change::AddVault | Change::ReplaceKeyset => {}
        Change::AddDevice(index) => {
            let key = PublicKey::new(client.device_key.verifying_key().to_bytes());
            body.devices.retain(|(id, _)| *id != device(index));
            body.devices.push((device(index), key));
            body.devices.sort_by_key(|(id, _)| *id);
        }
        Change::RemoveDevice(index) => body.devices.retain(|(id, _)| *id != device(index)),
        Change::RemoveVault(index) => {
            if let Some(index) = nth(index, body.vaults.len()) {
                body.vaults.remove(index);
            }
        }
        Change::RaiseKdf => body.kdf.t += 1,
        Change::LowerKdf => body.kdf.t = 1,
    }
}

/// A vault that the newest state lists.
fn listed_vault(client: &Client, vault: u8) -> Option<VaultId> {
    let vaults = &client.newest().vaults;
    Some(vaults[nth(vault, vaults.len())?].id)
}

/// The last for 0, the one before it for 1 …; `None` if there is none at all.
fn nth(number: u8, count: usize) -> Option<usize> {
    let back = usize::from(number).checked_rem(count)?;
    Some(count - 1 - back)
}
