//! Ways to sign in, limits, plans, the audit log, mail. `docs/design/0008-signing-in.md` explains them.
//!
//! A program of the version before goes on working: what is new has defaults or may be absent.

use sea_orm::{ConnectionTrait as _, DbBackend};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait, prelude::DbErr};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_signing_in"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let groups: [&[&str]; 10] = [
            &NEW_TABLES,
            &PLANS,
            &AUDIT,
            &MAIL,
            &EXPORTS,
            &JOBS,
            &LIMITS,
            &INVITATIONS,
            &SESSIONS,
            &ACCOUNTS,
        ];
        for statement in groups.into_iter().flatten() {
            manager.get_connection().execute_unprepared(&in_dialect(statement, backend)).await?;
        }
        Ok(())
    }
}

/// What the two databases call by other names.
fn in_dialect(statement: &str, backend: DbBackend) -> String {
    let (bytes, numbered, random) = match backend {
        DbBackend::Sqlite => ("BLOB", "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "randomblob(32)"),
        _ => (
            "BYTEA",
            "BIGSERIAL NOT NULL PRIMARY KEY",
            "uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())",
        ),
    };
    statement.replace("BYTES", bytes).replace("NUMBERED", numbered).replace("RANDOM_KEY", random)
}

const ACCOUNTS: [&str; 10] = [
    // 'administrator' may do what `etui-server admin` can.
    "ALTER TABLE account ADD COLUMN role TEXT NOT NULL DEFAULT 'person'",
    // Null: whichever plan the server gives by default.
    "ALTER TABLE account ADD COLUMN plan TEXT REFERENCES plan (name)",
    // When an administrator disabled it.
    "ALTER TABLE account ADD COLUMN disabled_ms BIGINT",
    // When it will be gone, since its holder deleted it.
    "ALTER TABLE account ADD COLUMN delete_at_ms BIGINT",
    // Counts whatever ends sessions: what was proven before it does not count after it.
    "ALTER TABLE account ADD COLUMN credentials_version BIGINT NOT NULL DEFAULT 0",
    // 1: a device that signs in for the first time waits until another one approves it.
    "ALTER TABLE account ADD COLUMN approve_devices BIGINT NOT NULL DEFAULT 0",
    // Whether a link signs in: 0 no, 1 yes. Without an answer of the holder's one that comes by mail does where the address is known
    // to be theirs.
    "ALTER TABLE account ADD COLUMN sign_in_by_link BIGINT",
    // 1: somebody has shown that they read what is sent to the address.
    "ALTER TABLE account ADD COLUMN email_confirmed BIGINT NOT NULL DEFAULT 0",
    // Makes the pseudonyms by which logs and events name the account and what belongs to it; gone with the account.
    "ALTER TABLE account ADD COLUMN pseudonym_key BYTES",
    "UPDATE account SET pseudonym_key = RANDOM_KEY",
];

const SESSIONS: [&str; 7] = [
    // The token before the newest, and the request that was given the newest for it: a lost answer is given again.
    "ALTER TABLE session ADD COLUMN previous_hash BYTES",
    "ALTER TABLE session ADD COLUMN request_hash BYTES",
    "ALTER TABLE session ADD COLUMN rotated_ms BIGINT NOT NULL DEFAULT 0",
    // How it was signed in.
    "ALTER TABLE session ADD COLUMN method TEXT NOT NULL DEFAULT 'login_password'",
    // 0: a provider vouched for its holder without asking them for anything, so that it never counts as one of somebody present.
    "ALTER TABLE session ADD COLUMN present BIGINT NOT NULL DEFAULT 1",
    // 1: nothing is given to it until another device has approved it.
    "ALTER TABLE session ADD COLUMN awaits_approval BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX session_previous ON session (previous_hash)",
];

const NEW_TABLES: [&str; 12] = [
    // Something that was begun and is finished by whoever shows the secret: a link, a second factor, a code. Short-lived.
    "CREATE TABLE pending (secret_hash BYTES NOT NULL PRIMARY KEY, purpose TEXT NOT NULL, \
     account_id BYTES REFERENCES account (account_id) ON DELETE CASCADE, body BYTES NOT NULL, \
     tries_left BIGINT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)",
    "CREATE INDEX pending_expiry ON pending (expires_ms)",
    "CREATE INDEX pending_of_account ON pending (account_id)",
    // Who somebody is at a provider of OpenID Connect.
    "CREATE TABLE identity (issuer TEXT NOT NULL, subject TEXT NOT NULL, \
     account_id BYTES NOT NULL REFERENCES account (account_id) ON DELETE CASCADE, \
     linked_ms BIGINT NOT NULL, used_ms BIGINT NOT NULL, PRIMARY KEY (issuer, subject))",
    "CREATE INDEX identity_of_account ON identity (account_id)",
    // A credential of WebAuthn; its body is the library's own form, without any secret.
    "CREATE TABLE passkey (credential_id BYTES NOT NULL PRIMARY KEY, \
     account_id BYTES NOT NULL REFERENCES account (account_id) ON DELETE CASCADE, \
     name TEXT NOT NULL, body BYTES NOT NULL, created_ms BIGINT NOT NULL, used_ms BIGINT NOT NULL)",
    "CREATE INDEX passkey_of_account ON passkey (account_id)",
    // A second factor that counts time; the last step that was used does not count again.
    "CREATE TABLE totp (account_id BYTES NOT NULL PRIMARY KEY REFERENCES account (account_id) ON DELETE CASCADE, \
     secret BYTES NOT NULL, last_step BIGINT NOT NULL, created_ms BIGINT NOT NULL)",
    "CREATE TABLE recovery_code (account_id BYTES NOT NULL REFERENCES account (account_id) ON DELETE CASCADE, \
     code_hash BYTES NOT NULL, PRIMARY KEY (account_id, code_hash))",
    // A device that has signed in before, so that only a new one is announced; approved 1: it was let in, and does not wait.
    "CREATE TABLE known_device (account_id BYTES NOT NULL REFERENCES account (account_id) ON DELETE CASCADE, \
     device_id BYTES NOT NULL, first_ms BIGINT NOT NULL, approved BIGINT NOT NULL DEFAULT 1, \
     PRIMARY KEY (account_id, device_id))",
    "INSERT INTO known_device (account_id, device_id, first_ms) \
     SELECT account_id, device_id, MIN(started_ms) FROM session GROUP BY account_id, device_id",
    "CREATE INDEX session_of_account ON session (account_id)",
];

/// Failures are counted under keyed hashes of who or where.
const LIMITS: [&str; 2] = [
    "CREATE TABLE attempt (limit_key BYTES NOT NULL PRIMARY KEY, forgiven_ms BIGINT NOT NULL, \
     next_ms BIGINT NOT NULL)",
    "CREATE INDEX attempt_expiry ON attempt (forgiven_ms)",
];

const INVITATIONS: [&str; 1] = ["CREATE TABLE invitation (invitation_number NUMBERED, \
     secret_hash BYTES NOT NULL UNIQUE, email TEXT, role TEXT NOT NULL, plan TEXT REFERENCES plan (name), \
     mailed BIGINT NOT NULL, created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)"];

const PLANS: [&str; 6] = [
    // The entitlements are JSON, `etui_api::plan::Entitlements`.
    "CREATE TABLE plan (name TEXT NOT NULL PRIMARY KEY, entitlements TEXT NOT NULL)",
    "INSERT INTO plan (name, entitlements) VALUES ('self-hosted', '{}'), \
     ('free', '{\"entries\":500,\"devices\":3,\"vaults\":2,\"attachment_bytes\":0}'), \
     ('paid', '{\"attachment_bytes\":10737418240}')",
    // On for so many of a hundred accounts.
    "CREATE TABLE flag (name TEXT NOT NULL PRIMARY KEY, share_percent BIGINT NOT NULL)",
    "CREATE TABLE account_flag (account_id BYTES NOT NULL REFERENCES account (account_id) ON DELETE CASCADE, \
     name TEXT NOT NULL, enabled BIGINT NOT NULL, PRIMARY KEY (account_id, name))",
    "CREATE INDEX account_flag_by_name ON account_flag (name)",
    // Live entries, as the last push left them; null: an older program took it, count.
    "ALTER TABLE vault ADD COLUMN entries BIGINT",
];

/// Who did what to which id when: ids are pseudonyms made with the key of the account. Who it was is one of the account's devices,
/// or the account of an administrator, whose own key names it.
const AUDIT: [&str; 3] = [
    "CREATE TABLE audit_event (event_number NUMBERED, time_ms BIGINT NOT NULL, account BYTES NOT NULL, \
     actor TEXT NOT NULL, actor_id BYTES, action TEXT NOT NULL, object BYTES, outcome TEXT NOT NULL)",
    "CREATE INDEX audit_event_of_account ON audit_event (account, event_number)",
    "CREATE INDEX audit_event_when ON audit_event (time_ms)",
];

/// Mail that waits to be sent.
const MAIL: [&str; 2] = [
    "CREATE TABLE mail (mail_number NUMBERED, account_id BYTES REFERENCES account (account_id) ON DELETE CASCADE, \
     recipient TEXT NOT NULL, body BYTES NOT NULL, tries BIGINT NOT NULL, due_ms BIGINT NOT NULL, \
     expires_ms BIGINT NOT NULL)",
    "CREATE INDEX mail_due ON mail (due_ms)",
];

/// Downloads of everything held about somebody, one an account. Without a key it is not made yet; a node that has claimed it is
/// at it.
const EXPORTS: [&str; 1] = ["CREATE TABLE data_export (export_number NUMBERED, \
     account_id BYTES NOT NULL UNIQUE REFERENCES account (account_id) ON DELETE CASCADE, \
     secret_hash BYTES NOT NULL UNIQUE, object_key BYTES UNIQUE, bytes BIGINT NOT NULL, requested_ms BIGINT NOT NULL, \
     claimed_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL)"];

const JOBS: [&str; 1] = ["INSERT INTO job (name, due_ms) VALUES ('purge', 0)"];
