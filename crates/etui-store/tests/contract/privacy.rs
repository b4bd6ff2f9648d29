//! Deletion, downloads of everything held, retention, the audit log.

use std::{collections::BTreeSet, time::Duration};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use etui_chain::{AccountId, Digest, ObjectId, VaultId};
use etui_store::{
    Action, Authority, CredentialChange, Download, Holder, Identity, Invitation, Leaving, NewPending,
    NewSession, Notice, Outcome, Page, Presence, Purpose, Retention, Role, SealedTotp, Store, StoreError,
    holdings::{Given, HOLDINGS, Whose},
};
use futures_util::TryStreamExt as _;
use serde_json::Value;

use crate::{
    backend::{Backend, signed_up},
    client::{Client, DAY_MS, Edit, NOW_MS},
    pushes::push,
    states::with_new_vault,
};

const GRACE_MS: u64 = 7 * DAY_MS;
const HOUR_MS: u64 = DAY_MS / 24;
const DAY: Duration = Duration::from_hours(24);
const RETENTION: Retention =
    Retention { audit_events: Duration::from_hours(400 * 24), known_devices: Duration::from_hours(400 * 24) };
/// Large enough to be an object of its own.
const LARGE: usize = 30_000;
const PAGE: Page = Page { before: None, most: 1000 };

pub(crate) async fn every_column_is_decided_on(backend: &Backend) {
    let store = backend.open().await;
    let decided: BTreeSet<String> = HOLDINGS.iter().map(|holding| holding.table.to_owned()).collect();
    assert_eq!(backend.tables().await.into_iter().collect::<BTreeSet<_>>(), decided, "tables");
    for holding in HOLDINGS {
        let mut columns: Vec<_> = holding.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        columns.sort();
        assert_eq!(backend.columns(holding.table).await, columns, "columns of {}", holding.table);
    }
    store.close().await;
}

pub(crate) async fn a_deleted_account_is_in_no_table_and_no_object(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let (mut other, other_authority, other_vault) = another(&store).await;
    let authority = furnish(backend, &store, &mut client, authority, vault_id).await;
    let canaries = canaries(&client, &authority);
    push(&store, &mut other, &other_authority, other_vault, &[Edit::Put(other_object(), LARGE)]).await;
    let before = backend.everything().await;
    for (name, forms) in &canaries {
        assert!(before.iter().any(|kept| holds(kept, forms)), "{name} was looked for in vain");
    }
    let segments = backend.object_count("segments").await;

    let fresh = authority.fresh(NOW_MS).unwrap();
    let delete_at_ms = NOW_MS + GRACE_MS;
    let refused = store.delete_account(&fresh, delete_at_ms, None, NOW_MS).await;
    assert!(matches!(refused, Err(StoreError::LastAdministrator)), "others would be left alone: {refused:?}");
    store.set_role(&store.operator(), other.account_id, Role::Administrator, NOW_MS).await.unwrap();
    store.delete_account(&fresh, delete_at_ms, None, NOW_MS).await.unwrap();
    let purged = store.purge(&RETENTION, delete_at_ms - 1).await.unwrap();
    assert_eq!(purged.accounts, 0, "not before its time");
    let purged = store.purge(&RETENTION, delete_at_ms).await.unwrap();
    assert_eq!(purged.accounts, 1);
    assert_eq!(backend.object_count("exports").await, 0);
    assert_eq!(backend.object_count("segments").await, segments, "a backup under way may be reading them");
    store.collect_garbage(delete_at_ms + DAY_MS, DAY).await.unwrap();

    let after = backend.everything().await;
    assert!(
        after.len() > 20 && after.iter().any(|(name, _)| name.contains("segments/")),
        "there is something"
    );
    for (name, forms) in &canaries {
        let left: Vec<_> = after.iter().filter(|kept| holds(kept, forms)).map(|(place, _)| place).collect();
        assert!(left.is_empty(), "{name} is still in {left:?}");
    }
    assert!(store.authority(authority.session_id(), NOW_MS).await.unwrap().is_none());
    let verified = store.verify(&mut |problem| panic!("{problem}")).await.unwrap();
    assert_eq!(verified.accounts, 1, "the other one is whole");
    let mut again = Client::new(1);
    let (account, _) = again.sign_up();
    store.create_account(account, NOW_MS).await.unwrap();
}

pub(crate) async fn a_backup_under_way_finds_what_is_being_deleted(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    for _ in 0..30 {
        let id = client.id();
        push(&store, &mut client, &authority, vault_id, &[Edit::Put(id, LARGE)]).await;
    }
    let fresh = authority.fresh(NOW_MS).unwrap();
    let delete_at_ms = NOW_MS + GRACE_MS;
    store.delete_account(&fresh, delete_at_ms, None, NOW_MS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let removal = async {
        store.purge(&RETENTION, delete_at_ms).await.unwrap();
        store.collect_garbage(delete_at_ms + DAY_MS - 1, DAY).await.unwrap();
    };
    let (copied, ()) = tokio::join!(store.back_up(folder.path()), removal);
    copied.unwrap();
}

pub(crate) async fn a_deleted_account_can_be_kept_until_its_grace_is_over(backend: &Backend) {
    let (store, mut client, first, _) = signed_up(backend).await;
    let device_id = client.id();
    let second = client.sign_in_as(&store, device_id).await.authority;
    let fresh = first.fresh(NOW_MS).unwrap();
    let delete_at_ms = NOW_MS + GRACE_MS;
    let notice = Notice { body: b"it will be gone".to_vec(), lifetime: DAY };
    store.delete_account(&fresh, delete_at_ms, Some(&notice), NOW_MS).await.unwrap();
    let letter = store.claim_mail(DAY, NOW_MS).await.unwrap().unwrap();
    assert_eq!((letter.recipient, letter.body), (client.email(), notice.body.clone()), "its holder is told");
    assert!(store.authority(second.session_id(), NOW_MS).await.unwrap().is_none(), "others are signed out");
    let leaving = store.authority(first.session_id(), NOW_MS).await;
    assert!(matches!(leaving, Err(StoreError::Leaving { delete_at_ms: at }) if at == delete_at_ms));
    let again = store.delete_account(&fresh, delete_at_ms + 5, Some(&notice), NOW_MS + 5).await;
    assert!(matches!(again, Err(StoreError::Leaving { delete_at_ms: at }) if at == delete_at_ms));
    assert_eq!(store.waiting_mail().await.unwrap(), 1, "once");

    let (claim, session) = (client.claim(&store).await, client.session());
    let session = NewSession { expires_ms: delete_at_ms + DAY_MS, ..session };
    store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap();
    let leaving = store.leaving(session.session_id, NOW_MS).await.unwrap().unwrap();
    let too_late = store.keep_account(&leaving, delete_at_ms).await;
    assert!(matches!(too_late, Err(StoreError::NotFound)));
    store.keep_account(&leaving, delete_at_ms - 1).await.unwrap();
    assert_eq!(store.purge(&RETENTION, delete_at_ms).await.unwrap().accounts, 0);
    assert!(store.authority(session.session_id, NOW_MS).await.unwrap().is_some());
    assert!(store.leaving(session.session_id, NOW_MS).await.unwrap().is_none());
}

/// How many accounts are removed while something else is done, each time a little earlier or later.
const RACES: u64 = 40;
const VAULTS: u64 = 4;

/// Whatever the clocks of two nodes say, and whoever comes first.
pub(crate) async fn an_account_is_kept_whole_or_gone_whole(backend: &Backend) {
    let store = backend.open().await;
    let (mut kept, mut gone) = (0, 0);
    for number in 0..RACES {
        let mut client = Client::new(100 + number);
        let (account, _) = client.sign_up();
        let authority = store.create_account(account, NOW_MS).await.unwrap();
        for _ in 1..VAULTS {
            let (upload, _) = with_new_vault(&mut client);
            store.push_state(&authority, upload.clone(), None, NOW_MS).await.unwrap();
            client.state = Some(upload.state);
        }
        let leaving = is_leaving(&store, &authority).await;
        let delete_at_ms = NOW_MS + HOUR_MS;
        let keep = async {
            // At once, or as soon as so many vaults are there no more.
            let gone = number % VAULTS;
            if gone > 0 {
                until_left(&store, client.account_id, VAULTS - gone).await;
            }
            store.keep_account(&leaving, delete_at_ms - 1).await
        };
        let (keep, purged) = tokio::join!(keep, store.purge(&RETENTION, delete_at_ms));
        let is_kept = keep.is_ok();
        assert!(is_kept || matches!(keep, Err(StoreError::NotFound | StoreError::SessionEnded)), "{keep:?}");
        assert_eq!(purged.unwrap().accounts, u64::from(!is_kept), "{number}");
        let id = HEXLOWER.encode(client.account_id.as_bytes());
        for (table, rows) in [("account", 1), ("vault", VAULTS), ("session", 1), ("account_state", VAULTS)] {
            let of =
                format!("SELECT COUNT(*) FROM {table} WHERE account_id = {}", backend.bytes_literal(&id));
            let expected = if is_kept { i64::try_from(rows).unwrap() } else { 0 };
            assert_eq!(backend.count(&of).await, expected, "{table} of {number}");
        }
        kept += u64::from(is_kept);
        gone += u64::from(!is_kept);
    }
    assert!(kept > 0 && gone > 0, "{kept} were kept and {gone} are gone: it was no race");
    store.verify(&mut |problem| panic!("{problem}")).await.unwrap();
}

pub(crate) async fn nothing_is_noted_of_an_account_that_is_gone(backend: &Backend) {
    let store = backend.open().await;
    // A machine that has much to do may let one of the two finish before the other begins.
    let mut raced = false;
    for number in 0..RACES {
        let mut client = Client::new(100 + number);
        let (account, _) = client.sign_up();
        let authority = store.create_account(account, NOW_MS).await.unwrap();
        is_leaving(&store, &authority).await;
        // Each an hour later, so that none is one too many, until the account is gone, and once more.
        let note = async {
            let mut at_ms = NOW_MS;
            let mut there = true;
            while there {
                there = store.leaving(authority.session_id(), NOW_MS).await.unwrap().is_some();
                store.note_refused(client.account_id, Action::SignIn, None, at_ms).await.unwrap();
                at_ms += 2 * HOUR_MS;
            }
            at_ms
        };
        let purge = async {
            pause(number).await;
            store.purge(&RETENTION, NOW_MS + HOUR_MS).await.unwrap()
        };
        let (at_ms, purged) = tokio::join!(note, purge);
        assert_eq!(purged.accounts, 1, "{number}");
        raced |= at_ms > NOW_MS + 2 * HOUR_MS;
        assert_eq!(backend.count("SELECT COUNT(*) FROM audit_event").await, 0, "{number}");
    }
    assert!(raced, "nobody tried while one went");
}

async fn is_leaving(store: &Store, authority: &Authority) -> Leaving {
    let fresh = authority.fresh(NOW_MS).unwrap();
    store.delete_account(&fresh, NOW_MS + HOUR_MS, None, NOW_MS).await.unwrap();
    store.leaving(authority.session_id(), NOW_MS).await.unwrap().unwrap()
}

/// Waits until an account has at most so many vaults.
async fn until_left(store: &Store, account_id: AccountId, most: u64) {
    while let Ok(details) = store.account_details(&store.operator(), account_id, NOW_MS).await {
        if details.entitlements.used.vaults <= most {
            return;
        }
    }
}

/// Lets the other one go on so many times.
async fn pause(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn a_download_holds_everything_that_is_told(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let (other, ..) = another(&store).await;
    let authority = furnish(backend, &store, &mut client, authority, vault_id).await;
    let lines = lines(&download(&store, &mut client, &authority).await);
    for holding in HOLDINGS.iter().filter(|holding| holding.whose != Whose::NoOne) {
        let rows: Vec<&Value> =
            lines.iter().filter(|line| line["table"] == holding.table).map(|line| &line["row"]).collect();
        let expected = count(backend, holding.table, holding.whose, &client, &authority).await;
        assert!(expected > 0, "{} has a row to tell of", holding.table);
        assert_eq!(i64::try_from(rows.len()).unwrap(), expected, "rows of {}", holding.table);
        for (column, given) in holding.columns {
            let told = rows.iter().all(|row| row.get(column).is_some());
            assert_eq!(told, matches!(given, Given::Told(_)), "{}.{column}", holding.table);
        }
    }
    let records: BTreeSet<Vec<u8>> = lines
        .iter()
        .filter_map(|line| line["row"]["record"].as_str())
        .map(|text| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap())
        .collect();
    let live = client.vaults[&vault_id].records.values().map(|record| record.to_vec()).collect();
    assert_eq!(records, live, "every sealed record, verbatim");
    let text = lines.iter().map(Value::to_string).collect::<String>();
    for theirs in [other.email(), other.account_id.to_string(), other.device_id.to_string()] {
        assert!(!text.contains(&theirs), "{theirs} is somebody else's");
    }
}

pub(crate) async fn a_large_download_is_made_by_one_node(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let edits: Vec<Edit> = (0..17).map(|_| Edit::Put(client.id(), 1 << 20)).collect();
    push(&store, &mut client, &authority, vault_id, &edits).await;
    let secret = client.digest();
    let ticket = store.begin_export(&holder(&authority), secret, DAY, NOW_MS).await.unwrap();
    assert!(ticket.is_none(), "nobody waits for so much");
    assert!(matches!(store.download(secret, NOW_MS).await.unwrap(), Some(Download::Making)));
    let ticket = store.next_export(NOW_MS).await.unwrap().expect("it is to be made");
    assert!(store.next_export(NOW_MS + HOUR_MS - 1).await.unwrap().is_none(), "somebody is at it");
    assert!(store.next_export(NOW_MS + HOUR_MS).await.unwrap().is_some(), "whoever was at it may be dead");
    store.make_export(&ticket, NOW_MS).await.unwrap();
    assert!(store.next_export(NOW_MS + 3 * HOUR_MS).await.unwrap().is_none(), "it is made");
    let records = lines(&fetch(&store, secret).await);
    let records = records.iter().filter(|line| line["row"]["record"].is_string()).count();
    assert_eq!(records, 18);
}

pub(crate) async fn downloads_end_with_their_time_and_leave_nothing(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let secret = client.digest();
    let ticket = store.begin_export(&holder(&authority), secret, DAY, NOW_MS).await.unwrap().unwrap();
    store.make_export(&ticket, NOW_MS).await.unwrap();
    assert_eq!(backend.object_count("exports").await, 1);
    download(&store, &mut client, &authority).await;
    assert_eq!(backend.object_count("exports").await, 1, "the newer one replaces it");
    store.make_export(&ticket, NOW_MS).await.unwrap();
    assert_eq!(backend.object_count("exports").await, 1, "nobody asks for the older one any more");
    assert!(store.download(secret, NOW_MS).await.unwrap().is_none());

    backend.put_object("exports/00112233445566778899aabbccddeeff", b"left by a crash".to_vec()).await;
    // What no row names is as old as the clock of the object store says, which is the real one.
    let later_ms = NOW_MS.max(real_now_ms()) + 2 * DAY_MS;
    let purged = store.purge(&RETENTION, later_ms).await.unwrap();
    assert_eq!(purged.exports, 2);
    assert_eq!(backend.object_count("exports").await, 0);
}

pub(crate) async fn records_go_when_their_time_is_over(backend: &Backend) {
    let (store, mut client, authority, vault_id) = signed_up(backend).await;
    let authority = furnish(backend, &store, &mut client, authority, vault_id).await;
    let count = async |table: &str| backend.count(&format!("SELECT COUNT(*) FROM {table}")).await;
    let tables = ["audit_event", "known_device", "invitation", "pending", "mail", "attempt", "data_export"];
    for table in tables {
        assert!(count(table).await > 0, "{table}");
    }
    store.purge(&RETENTION, NOW_MS + DAY_MS + 1).await.unwrap();
    for table in ["pending", "mail", "attempt", "data_export"] {
        assert_eq!(count(table).await, 0, "{table}");
    }
    store.purge(&RETENTION, NOW_MS + 31 * DAY_MS).await.unwrap();
    assert_eq!(count("invitation").await, 0);
    assert!(count("audit_event").await > 0 && count("known_device").await == 2);
    store.purge(&RETENTION, NOW_MS + 400 * DAY_MS).await.unwrap();
    assert_eq!(count("audit_event").await, 0);
    assert_eq!(count("known_device").await, 1, "the one with a session is known");
    assert!(store.authority(authority.session_id(), NOW_MS).await.unwrap().is_some());
}

pub(crate) async fn refused_sign_ins_fill_no_table(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let refuse = async |account_id, action, at_ms| {
        store.note_refused(account_id, action, Some(client.device_id), at_ms).await.unwrap();
    };
    for second in 0..60 {
        refuse(client.account_id, Action::SignIn, NOW_MS + second * 1000).await;
    }
    let refused = async || {
        let events = store.events(&authority, PAGE).await.unwrap();
        events.iter().filter(|event| event.outcome == "refused").count()
    };
    assert_eq!(refused().await, 10);
    refuse(client.account_id, Action::ShowSecondFactor, NOW_MS + 60_000).await;
    assert_eq!(refused().await, 11, "whoever knows the first factor is not drowned out by who does not");
    refuse(client.account_id, Action::SignIn, NOW_MS + 2 * HOUR_MS).await;
    assert_eq!(refused().await, 12, "an hour later there is room");
    refuse(Client::new(7).account_id, Action::SignIn, NOW_MS).await;
}

pub(crate) async fn what_the_holder_did_elsewhere_is_noted(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let fresh = authority.fresh(NOW_MS).unwrap();
    let device = Some(client.device_id);
    store.note(&fresh, Action::OpenPages, None, Outcome::Done, NOW_MS).await.unwrap();
    store.note(&fresh, Action::LetDeviceIn, device, Outcome::Refused, NOW_MS).await.unwrap();
    let events = store.events(&authority, PAGE).await.unwrap();
    let told: Vec<_> = events[..2]
        .iter()
        .map(|event| (event.actor.as_str(), event.action.as_str(), event.object, event.outcome.as_str()))
        .collect();
    let named = device.map(|device_id| authority.pseudonyms().of(device_id));
    let expected = [("holder", "let_device_in", named, "refused"), ("holder", "open_pages", None, "done")];
    assert_eq!(told, expected);
}

pub(crate) async fn the_log_says_with_what_it_was_done(backend: &Backend) {
    let (store, client, authority, _) = signed_up(backend).await;
    let device = Some(authority.pseudonyms().of(client.device_id));
    let session_id = authority.session_id();
    for (presence, with) in [(Presence::OpenedBy(session_id), device), (Presence::TwoFactors, None)] {
        let fresh = store.present(client.claim(&store).await, presence, NOW_MS).await.unwrap();
        let change = CredentialChange::SignInByLink(true);
        store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap();
        let newest = store.events_of_all(&store.operator(), None, PAGE).await.unwrap().remove(0);
        assert_eq!((newest.action.as_str(), newest.actor_id), ("change_links", with), "{presence:?}");
    }
}

pub(crate) async fn an_account_of_an_older_program_gets_its_key(backend: &Backend) {
    let (store, mut client, authority, _) = signed_up(backend).await;
    let key = async || backend.count("SELECT COUNT(*) FROM account WHERE pseudonym_key IS NULL").await;
    let lose = async || backend.execute("UPDATE account SET pseudonym_key = NULL").await;
    lose().await;
    let first = store.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    let second = store.authority(authority.session_id(), NOW_MS).await.unwrap().unwrap();
    assert_eq!(first.pseudonyms().account(), second.pseudonyms().account());
    assert_eq!(key().await, 0);
    lose().await;
    client.sign_in(&store).await;
    assert_eq!(key().await, 0);
    lose().await;
    store.present(client.claim(&store).await, Presence::TwoFactors, NOW_MS).await.unwrap();
    assert_eq!(key().await, 0);
    lose().await;
    store.purge(&RETENTION, NOW_MS).await.unwrap();
    assert_eq!(key().await, 0);
}

async fn another(store: &Store) -> (Client, Authority, VaultId) {
    let mut other = Client::new(2);
    let (account, vault_id) = other.sign_up();
    let authority = store.create_account(account, NOW_MS).await.unwrap();
    (other, authority, vault_id)
}

fn other_object() -> ObjectId {
    ObjectId::new([0x7e; 16]).unwrap()
}

/// Leaves a row of the account in every table that is about somebody, records in rows and in objects, and a download.
async fn furnish(
    backend: &Backend,
    store: &Store,
    client: &mut Client,
    authority: Authority,
    vault_id: VaultId,
) -> Authority {
    for length in [50, LARGE, LARGE] {
        let id = client.id();
        push(store, client, &authority, vault_id, &[Edit::Put(id, length)]).await;
    }
    let gone: ObjectId = client.id();
    push(store, client, &authority, vault_id, &[Edit::Put(gone, 50)]).await;
    push(store, client, &authority, vault_id, &[Edit::Purge(gone)]).await;
    let changes = [
        CredentialChange::LinkIdentity(Identity {
            issuer: "https://provider.example".to_owned(),
            subject: "canary-subject-Kq7".to_owned(),
        }),
        CredentialChange::AddPasskey {
            credential_id: b"canary-passkey-id".to_vec(),
            name: "canary-passkey-name".to_owned(),
            body: b"canary-passkey-body".to_vec(),
        },
        CredentialChange::SetTotp {
            secret: SealedTotp::new(b"canary-totp-secret".to_vec()),
            used_step: 1,
            recovery_codes: vec![client.digest()],
        },
    ];
    for change in changes {
        let fresh = authority.fresh(NOW_MS).unwrap();
        store.change_credentials(&fresh, change, None, NOW_MS).await.unwrap();
    }
    let device_id = client.id();
    let left = client.sign_in_as(store, device_id).await.authority;
    store.end_session(&left, NOW_MS).await.unwrap();
    let pending = NewPending {
        secret_hash: client.digest(),
        purpose: Purpose::Link,
        claim: Some(client.claim(store).await),
        body: b"canary-pending-body",
        tries: 5,
        lifetime: DAY,
    };
    store.begin_pending(pending, NOW_MS).await.unwrap();
    let invitation = Invitation {
        secret_hash: client.digest(),
        email: Some(client.email()),
        role: Role::Person,
        plan: None,
        mailed: false,
        expires_ms: NOW_MS + 1,
    };
    store.invite(&store.operator(), &invitation, NOW_MS).await.unwrap();
    for statement in by_hand(backend, client, &authority) {
        backend.execute(&statement).await;
    }
    download(store, client, &authority).await;
    authority
}

/// Rows that other programs or other parts of this one write.
fn by_hand(backend: &Backend, client: &mut Client, authority: &Authority) -> [String; 5] {
    let account = backend.bytes_literal(&client.account_id.to_string());
    let session = backend.bytes_literal(&HEXLOWER.encode(authority.session_id().id().as_bytes()));
    let mut random = || backend.bytes_literal(&client.digest().to_string());
    let (first, second, key) = (random(), random(), random());
    let body = backend.bytes_literal(&HEXLOWER.encode(b"canary-mail-body"));
    let (email, expires_ms) = (client.email(), NOW_MS + 1);
    [
        format!("INSERT INTO account_flag (account_id, name, enabled) VALUES ({account}, 'early', 1)"),
        format!(
            "INSERT INTO spent_refresh (refresh_hash, session_id, successor_hash, spent_ms) \
             VALUES ({first}, {session}, {second}, {NOW_MS})"
        ),
        format!(
            "INSERT INTO mail (account_id, recipient, body, tries, due_ms, expires_ms) \
             VALUES ({account}, '{email}', {body}, 0, 0, {expires_ms})"
        ),
        format!(
            "INSERT INTO mail (account_id, recipient, body, tries, due_ms, expires_ms) \
             VALUES (NULL, '{email}', {body}, 0, 0, {expires_ms})"
        ),
        format!("INSERT INTO attempt (limit_key, forgiven_ms, next_ms) VALUES ({key}, {expires_ms}, 0)"),
    ]
}

/// Every id of the account, and what else names its holder: as bytes, and as the text that shows them.
fn canaries(client: &Client, authority: &Authority) -> Vec<(String, [Vec<u8>; 2])> {
    let bytes = |name: String, bytes: &[u8]| (name, [bytes.to_vec(), HEXLOWER.encode(bytes).into_bytes()]);
    let mut canaries = vec![
        bytes("the account's id".to_owned(), client.account_id.as_bytes()),
        bytes("a device's id".to_owned(), client.device_id.as_bytes()),
        bytes("a session's id".to_owned(), authority.session_id().id().as_bytes()),
        bytes("its pseudonym".to_owned(), authority.pseudonyms().account().as_bytes()),
        bytes("the hash of its state".to_owned(), client.newest().hash().as_bytes()),
        bytes("the e-mail address".to_owned(), client.email().as_bytes()),
    ];
    let texts = ["canary-subject-Kq7", "canary-passkey-id", "canary-passkey-name", "canary-passkey-body"];
    let texts = texts.into_iter().chain(["canary-totp-secret", "canary-pending-body", "canary-mail-body"]);
    canaries.extend(texts.map(|text| bytes(text.to_owned(), text.as_bytes())));
    for (vault_id, vault) in &client.vaults {
        canaries.push(bytes("a vault's id".to_owned(), vault_id.as_bytes()));
        canaries.push(bytes("the hash of a head".to_owned(), vault.ledger.head().hash.as_bytes()));
        canaries.extend(vault.records.keys().map(|id| bytes("an object's id".to_owned(), id.as_bytes())));
    }
    canaries
}

fn holds((name, content): &(String, Vec<u8>), forms: &[Vec<u8>; 2]) -> bool {
    let within = |bytes: &[u8], form: &[u8]| bytes.windows(form.len()).any(|window| window == form);
    forms.iter().any(|form| within(content, form) || within(name.as_bytes(), form))
}

/// How many rows of a table are the account's, asked otherwise than the store does.
async fn count(backend: &Backend, table: &str, whose: Whose, client: &Client, authority: &Authority) -> i64 {
    let account = backend.bytes_literal(&client.account_id.to_string());
    let pseudonym = backend.bytes_literal(&authority.pseudonyms().account().to_string());
    let email = client.email();
    let condition = match whose {
        Whose::Account => format!("t.account_id = {account}"),
        Whose::Vault => {
            format!(
                "EXISTS (SELECT 1 FROM vault v WHERE v.vault_number = t.vault_number AND v.account_id = {account})"
            )
        }
        Whose::Session => {
            format!(
                "EXISTS (SELECT 1 FROM session s WHERE s.session_id = t.session_id AND s.account_id = {account})"
            )
        }
        Whose::Pseudonym(column) => format!("t.{column} = {pseudonym}"),
        Whose::Address(column) => format!("t.{column} = '{email}'"),
        Whose::AccountOrAddress(column) => format!("t.account_id = {account} OR t.{column} = '{email}'"),
        Whose::NoOne => "1 = 0".to_owned(),
    };
    backend.count(&format!("SELECT COUNT(*) FROM {table} t WHERE {condition}")).await
}

fn holder(authority: &Authority) -> Holder {
    authority.fresh(NOW_MS).unwrap().into()
}

async fn download(store: &Store, client: &mut Client, authority: &Authority) -> Vec<u8> {
    let secret = client.digest();
    let ticket = store.begin_export(&holder(authority), secret, DAY, NOW_MS).await.unwrap().unwrap();
    store.make_export(&ticket, NOW_MS).await.unwrap();
    fetch(store, secret).await
}

async fn fetch(store: &Store, secret: Digest) -> Vec<u8> {
    let Some(Download::Ready { bytes, content }) = store.download(secret, NOW_MS).await.unwrap() else {
        panic!("the download is there");
    };
    let content: Vec<_> = content.try_collect().await.unwrap();
    let content = content.concat();
    assert_eq!(content.len() as u64, bytes);
    content
}

/// Every line, once the last one is found to say how many there are, and their hash.
fn lines(file: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(file).unwrap();
    let before = text[..text.len() - 1].rfind('\n').unwrap() + 1;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = &lines[lines.len() - 1]["end"];
    assert_eq!(end["sha256"], Digest::of(&[&file[..before]]).to_string());
    assert_eq!(end["lines"], lines.len() - 1);
    lines
}

fn real_now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
