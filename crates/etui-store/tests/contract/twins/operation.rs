//! What may be asked of a store, as proptest draws and shrinks it. Who and what is meant is named by small numbers, which
//! the [world](super::world) counts through what there is: so a shorter sequence still makes sense.

use std::time::Duration;

use etui_store::{Purpose, Role};
use proptest::prelude::*;

use crate::{backend::Fault, client::DAY_MS};

/// Who may have an account.
pub(crate) const PEOPLE: u8 = 4;
/// Accounts at providers, passkeys, recovery codes.
pub(crate) const THINGS: u8 = 3;
/// Objects of a vault that are edited over and over.
pub(crate) const OBJECTS: u8 = 5;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// A person signs up, with the address of that person, perhaps following an invitation.
    SignUp { person: u8, address_of: u8, invited: Option<u8>, flaw: Option<SignUpFlaw> },
    /// A device of a person, listed or not, signs in; 0 is the one that signed up.
    SignIn { person: u8, device: u8 },
    /// A session's newest refresh token is shown, or one that came so many before it: by one of a few requests, or by one
    /// without an id. Tokens of a program before do not say whose they are.
    Refresh { session: u8, back: u8, request: Option<u8>, says_whose: bool },
    /// Something begins that a secret finishes.
    Begin { person: Option<u8>, purpose: Purpose, tries: u8, lifetime: Duration },
    /// Somebody shows a secret, for a purpose that may be another one.
    Show { secret: u8, purpose: Option<Purpose>, how: Showing },
    /// An administrator invites somebody, or whoever has the server invites the first one.
    Invite { person: Option<u8>, role: Role, lifetime: Duration, first: bool },
    /// Somebody signs in at a provider or with a passkey.
    Recognise { what: u8 },
    /// Somebody looks for the account of a person's address.
    FindAddress { person: u8, upper_case: bool },
    /// A device asks for something. What it may is looked up anew, or has been looked up when the session began.
    Ask { session: u8, late: bool, wish: Wish },
    /// A device changes something while it cannot reach the server.
    Alone { session: u8, work: Work },
    /// Time passes.
    Wait { ms: u64 },
    /// What nothing refers to is collected.
    Collect { grace: Duration },
    /// The server is restarted, perhaps with an object store that fails from then on.
    Reopen { fault: Option<Fault> },
    /// Everything is backed up.
    BackUp,
    /// The newest backup is restored into an empty place: each of the two stores takes the other's.
    Restore,
}

/// What a device asks for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Touch,
    EndSession,
    EndDevice {
        device: u8,
    },
    Push {
        vault: u8,
        edits: Edits,
        flaw: Option<PushFlaw>,
    },
    State {
        change: Change,
        flaw: Option<StateFlaw>,
    },
    /// Something that was taken before, once more.
    Again {
        which: u8,
    },
    Changes {
        vault: u8,
        after: Since,
    },
    Commits {
        vault: u8,
        after: Since,
    },
    States {
        after: Option<Since>,
    },
    Record {
        vault: u8,
        object: u8,
    },
    NewestState,
    Devices,
    Keysets,
    Heal {
        flaw: Option<HealFlaw>,
    },
    ReplaceLoginHash {
        from_the_same: bool,
    },
    Change(Credential),
    Ways,
    UseTotp {
        step: u8,
    },
    UseRecoveryCode {
        code: u8,
    },
    Approve {
        device: u8,
    },
    DeleteAccount,
}

/// How a secret is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Showing {
    Look,
    Try,
    Take,
    Replace,
}

/// How the ways to sign in change. The numbers name accounts at providers, passkeys and codes that all people draw from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Credential {
    LoginPassword(bool),
    Email { of: u8, with_password: bool },
    LinkIdentity(u8),
    UnlinkIdentity(u8),
    AddPasskey(u8),
    RemovePasskey(u8),
    SetTotp,
    RemoveTotp,
    ReplaceRecoveryCodes(u8),
    SignInByLink(bool),
    ApproveDevices(bool),
}

/// Which objects a commit changes.
#[derive(Debug, Clone)]
pub(crate) struct Edits {
    /// An object, and how long its new record is, or that it goes.
    pub(crate) objects: Vec<(u8, Option<usize>)>,
    /// So many new ones beside.
    pub(crate) many: u16,
}

/// What a device does on its own.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Edit { vault: u8, edits: Edits },
    State { change: Change },
}

/// How a state differs from the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Nothing,
    AddDevice(u8),
    RemoveDevice(u8),
    AddVault,
    RemoveVault(u8),
    RaiseKdf,
    LowerKdf,
    ReplaceKeyset,
}

/// After which commit or state.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    Number(u64),
    BeforeTheLast(u64),
}

/// What is wrong with a sign-up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignUpFlaw {
    OtherDevice,
    NoKeyset,
    NoFirstCommit,
}

/// What is wrong with a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PushFlaw {
    /// It builds on the head before the newest.
    Behind,
    /// It builds on a commit that was never sent.
    Ahead,
    OtherAuthor,
    OtherVault,
    OlderState,
    NoRecord,
    ExtraRecord,
    RecordOfAnother,
    TooLarge,
    TooShort,
    PurgedIdAgain,
    OtherRoot,
    OtherEpoch,
}

/// What is wrong with a state.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StateFlaw {
    OtherSigner,
    Behind,
    SkipsOne,
    NoRecords,
    ExtraRecord,
    NoFirstCommit,
}

/// What is left out of an upload for healing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HealFlaw {
    Step(u8),
    Record(u8),
    NamedRecord(u8),
}

/// A sequence as it is drawn.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..120)
}

fn operation() -> impl Strategy<Value = Operation> {
    let waits = prop_oneof![4 => prop::sample::select(vec![1, 30_000, 61_000, 121_000]), 1 => Just(DAY_MS)];
    let graces = prop::sample::select(vec![Duration::ZERO, Duration::from_mins(1), Duration::from_hours(48)]);
    let faults = prop::sample::select(vec![Fault::Full, Fault::DiesAfterWriting]);
    prop_oneof![
        4 => sign_up(),
        10 => (person(), device()).prop_map(|(person, device)| Operation::SignIn { person, device }),
        8 => refresh(),
        4 => begin(),
        6 => show(),
        3 => invite(),
        1 => (0..THINGS).prop_map(|what| Operation::Recognise { what }),
        2 => (0..PEOPLE, any::<bool>())
            .prop_map(|(person, upper_case)| Operation::FindAddress { person, upper_case }),
        60 => (session(), prop::bool::weighted(0.1), wish())
            .prop_map(|(session, late, wish)| Operation::Ask { session, late, wish }),
        5 => (session(), work()).prop_map(|(session, work)| Operation::Alone { session, work }),
        3 => waits.prop_map(|ms| Operation::Wait { ms }),
        4 => graces.prop_map(|grace| Operation::Collect { grace }),
        3 => prop::option::weighted(0.3, faults).prop_map(|fault| Operation::Reopen { fault }),
        2 => Just(Operation::BackUp),
        1 => Just(Operation::Restore),
    ]
}

/// Mostly one of the last that began: others may have ended.
fn session() -> impl Strategy<Value = u8> {
    prop_oneof![5 => 0..2_u8, 3 => 2..4_u8, 1 => 4..9_u8]
}

/// Mostly the same ones, so that more happens to them.
fn person() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => 0..PEOPLE]
}

/// Mostly the one that signed up, which the account lists.
fn device() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 2 => 0..3_u8]
}

fn sign_up() -> impl Strategy<Value = Operation> {
    let flaws = vec![SignUpFlaw::OtherDevice, SignUpFlaw::NoKeyset, SignUpFlaw::NoFirstCommit];
    let address_of = prop::option::weighted(0.2, 0..PEOPLE);
    let invited = prop::option::weighted(0.4, 0..3_u8);
    (person(), address_of, invited, rarely(flaws)).prop_map(|(person, address_of, invited, flaw)| {
        Operation::SignUp { person, address_of: address_of.unwrap_or(person), invited, flaw }
    })
}

fn refresh() -> impl Strategy<Value = Operation> {
    let back = prop_oneof![4 => Just(0), 2 => Just(1), 1 => 2..4_u8];
    (session(), back, prop::option::weighted(0.8, 0..2_u8), prop::bool::weighted(0.9)).prop_map(
        |(session, back, request, says_whose)| Operation::Refresh { session, back, request, says_whose },
    )
}

fn begin() -> impl Strategy<Value = Operation> {
    (prop::option::of(person()), purpose(), 0..3_u8, lifetime())
        .prop_map(|(person, purpose, tries, lifetime)| Operation::Begin { person, purpose, tries, lifetime })
}

fn show() -> impl Strategy<Value = Operation> {
    let how = prop::sample::select(vec![Showing::Look, Showing::Try, Showing::Take, Showing::Replace]);
    (0..4_u8, prop::option::weighted(0.1, purpose()), how)
        .prop_map(|(secret, purpose, how)| Operation::Show { secret, purpose, how })
}

fn purpose() -> impl Strategy<Value = Purpose> {
    prop::sample::select(vec![Purpose::SecondFactor, Purpose::Link, Purpose::UserCode])
}

fn invite() -> impl Strategy<Value = Operation> {
    let role = prop::sample::select(vec![Role::Person, Role::Administrator]);
    (prop::option::of(0..PEOPLE), role, lifetime(), prop::bool::weighted(0.3))
        .prop_map(|(person, role, lifetime, first)| Operation::Invite { person, role, lifetime, first })
}

fn lifetime() -> impl Strategy<Value = Duration> {
    prop::sample::select(vec![Duration::from_secs(30), Duration::from_mins(10)])
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        3 => Just(Wish::Touch),
        1 => Just(Wish::EndSession),
        1 => (0..3_u8).prop_map(|device| Wish::EndDevice { device }),
        24 => (0..3_u8, edits(), rarely(push_flaws()))
            .prop_map(|(vault, edits, flaw)| Wish::Push { vault, edits, flaw }),
        12 => (change(), rarely(state_flaws())).prop_map(|(change, flaw)| Wish::State { change, flaw }),
        3 => any::<u8>().prop_map(|which| Wish::Again { which }),
        8 => (0..4_u8, since()).prop_map(|(vault, after)| Wish::Changes { vault, after }),
        2 => (0..4_u8, since()).prop_map(|(vault, after)| Wish::Commits { vault, after }),
        3 => prop::option::of(since()).prop_map(|after| Wish::States { after }),
        3 => (0..4_u8, 0..OBJECTS).prop_map(|(vault, object)| Wish::Record { vault, object }),
        1 => Just(Wish::NewestState),
        2 => Just(Wish::Devices),
        2 => Just(Wish::Keysets),
        6 => rarely_heal().prop_map(|flaw| Wish::Heal { flaw }),
        1 => any::<bool>().prop_map(|from_the_same| Wish::ReplaceLoginHash { from_the_same }),
        8 => credential().prop_map(Wish::Change),
        2 => Just(Wish::Ways),
        1 => (0..3_u8).prop_map(|step| Wish::UseTotp { step }),
        1 => (0..THINGS).prop_map(|code| Wish::UseRecoveryCode { code }),
        3 => device().prop_map(|device| Wish::Approve { device }),
        1 => Just(Wish::DeleteAccount),
    ]
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        2 => any::<bool>().prop_map(Credential::LoginPassword),
        1 => (0..PEOPLE, any::<bool>())
            .prop_map(|(of, with_password)| Credential::Email { of, with_password }),
        2 => (0..THINGS).prop_map(Credential::LinkIdentity),
        1 => (0..THINGS).prop_map(Credential::UnlinkIdentity),
        2 => (0..THINGS).prop_map(Credential::AddPasskey),
        1 => (0..THINGS).prop_map(Credential::RemovePasskey),
        2 => Just(Credential::SetTotp),
        1 => Just(Credential::RemoveTotp),
        1 => (0..THINGS).prop_map(Credential::ReplaceRecoveryCodes),
        1 => any::<bool>().prop_map(Credential::SignInByLink),
        3 => prop::bool::weighted(0.7).prop_map(Credential::ApproveDevices),
    ]
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        3 => (0..3_u8, edits()).prop_map(|(vault, edits)| Work::Edit { vault, edits }),
        1 => change().prop_map(|change| Work::State { change }),
    ]
}

fn edits() -> impl Strategy<Value = Edits> {
    let length = prop_oneof![4 => 0..2000_usize, 1 => 8000..40_000_usize];
    let objects = prop::collection::vec((0..OBJECTS, prop::option::weighted(0.7, length)), 0..5);
    // One more than is written, listed or read at once, now and then.
    let many = prop_oneof![90 => Just(0), 6 => 0..300_u16, 2 => 500..700_u16, 1 => 2040..2060_u16];
    (objects, many).prop_map(|(objects, many)| Edits { objects, many })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Nothing),
        4 => (0..3_u8).prop_map(Change::AddDevice),
        2 => (0..3_u8).prop_map(Change::RemoveDevice),
        4 => Just(Change::AddVault),
        1 => (0..3_u8).prop_map(Change::RemoveVault),
        1 => Just(Change::RaiseKdf),
        1 => Just(Change::LowerKdf),
        2 => Just(Change::ReplaceKeyset),
    ]
}

fn since() -> impl Strategy<Value = Since> {
    prop_oneof![
        3 => (0..4_u64).prop_map(Since::Number),
        3 => (0..4_u64).prop_map(Since::BeforeTheLast),
        1 => prop::sample::select(vec![i64::MAX.cast_unsigned(), u64::MAX]).prop_map(Since::Number),
    ]
}

fn push_flaws() -> Vec<PushFlaw> {
    use PushFlaw::{
        Ahead, Behind, ExtraRecord, NoRecord, OlderState, OtherAuthor, OtherEpoch, OtherRoot, OtherVault,
        PurgedIdAgain, RecordOfAnother, TooLarge, TooShort,
    };
    // Nothing but the rows knows what was purged long ago.
    vec![
        PurgedIdAgain,
        PurgedIdAgain,
        PurgedIdAgain,
        Behind,
        Ahead,
        OtherAuthor,
        OtherVault,
        OlderState,
        NoRecord,
        ExtraRecord,
        RecordOfAnother,
        TooLarge,
        TooShort,
        OtherRoot,
        OtherEpoch,
    ]
}

fn state_flaws() -> Vec<StateFlaw> {
    use StateFlaw::{Behind, ExtraRecord, NoFirstCommit, NoRecords, OtherSigner, SkipsOne};
    vec![OtherSigner, Behind, SkipsOne, NoRecords, ExtraRecord, NoFirstCommit]
}

fn rarely_heal() -> impl Strategy<Value = Option<HealFlaw>> {
    let flaw = prop_oneof![
        any::<u8>().prop_map(HealFlaw::Step),
        any::<u8>().prop_map(HealFlaw::Record),
        any::<u8>().prop_map(HealFlaw::NamedRecord),
    ];
    prop::option::weighted(0.2, flaw)
}

fn rarely<T: Clone + std::fmt::Debug + 'static>(flaws: Vec<T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.25, prop::sample::select(flaws))
}
