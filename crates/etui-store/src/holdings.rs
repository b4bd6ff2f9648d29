//! What the tables hold, column by column, and what of it is given to the person whom it is about.
//!
//! The one list from which a download of everything is made. A test compares it with the schema: a new column without a decision
//! fails it. `docs/privacy/data-inventory.md` says of the same columns what they are for.

use Form::{Base64, Hex, Number, Text};
use Given::{Told, Withheld};
use Whose::{Account, AccountOrAddress, Address, NoOne, Pseudonym, Session, Vault};
use Why::{Elsewhere, Secret, Storage};

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// Its name.
    pub table: &'static str,
    /// Whose its rows are.
    pub whose: Whose,
    /// Its columns; those of a key come first.
    pub columns: &'static [(&'static str, Given)],
    /// So many columns are a key.
    pub key_columns: usize,
}

/// What tells whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The column `account_id`.
    Account,
    /// A vault of the account.
    Vault,
    /// A session of the account.
    Session,
    /// The pseudonym of the account, in this column.
    Pseudonym(&'static str),
    /// The account's address, in this column.
    Address(&'static str),
    /// The column `account_id`, or the account's address in this column.
    AccountOrAddress(&'static str),
    /// It is about nobody.
    NoOne,
}

/// Whether a column is given to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Yes, written in this form.
    Told(Form),
    /// No.
    Withheld(Why),
}

/// How a value is written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Ids, hashes, pseudonyms: lower-case hex.
    Hex,
    /// Signed or sealed bytes: base64url without padding.
    Base64,
    /// A number.
    Number,
    /// A text.
    Text,
}

/// Why a column is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Whoever finds the download could sign in with it, or guess better how to.
    Secret,
    /// It is given with another table.
    Elsewhere,
    /// It orders the storage, or is about nobody.
    Storage,
}

/// Every table.
pub const HOLDINGS: [Holding; 26] = [
    Holding {
        table: "account",
        whose: Account,
        columns: &[
            ("account_id", Told(Hex)),
            ("email", Told(Text)),
            ("login_hash", Withheld(Secret)),
            ("state_version", Told(Number)),
            ("state_hash", Told(Hex)),
            ("created_ms", Told(Number)),
            ("role", Told(Text)),
            ("plan", Told(Text)),
            ("disabled_ms", Told(Number)),
            ("delete_at_ms", Told(Number)),
            ("credentials_version", Told(Number)),
            ("approve_devices", Told(Number)),
            ("sign_in_by_link", Told(Number)),
            ("email_confirmed", Told(Number)),
            ("pseudonym_key", Withheld(Secret)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "session",
        whose: Account,
        columns: &[
            ("session_id", Told(Hex)),
            ("account_id", Told(Hex)),
            ("device_id", Told(Hex)),
            ("refresh_hash", Withheld(Secret)),
            ("previous_hash", Withheld(Secret)),
            ("request_hash", Withheld(Secret)),
            ("started_ms", Told(Number)),
            ("last_seen_ms", Told(Number)),
            ("expires_ms", Told(Number)),
            ("rotated_ms", Told(Number)),
            ("method", Told(Text)),
            ("present", Told(Number)),
            ("awaits_approval", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "spent_refresh",
        whose: Session,
        columns: &[
            ("refresh_hash", Withheld(Secret)),
            ("session_id", Told(Hex)),
            ("successor_hash", Withheld(Secret)),
            ("spent_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "known_device",
        whose: Account,
        columns: &[
            ("account_id", Told(Hex)),
            ("device_id", Told(Hex)),
            ("first_ms", Told(Number)),
            ("approved", Told(Number)),
        ],
        key_columns: 2,
    },
    Holding {
        table: "identity",
        whose: Account,
        columns: &[
            ("issuer", Told(Text)),
            ("subject", Told(Text)),
            ("account_id", Told(Hex)),
            ("linked_ms", Told(Number)),
            ("used_ms", Told(Number)),
        ],
        key_columns: 2,
    },
    Holding {
        table: "passkey",
        whose: Account,
        columns: &[
            ("credential_id", Told(Hex)),
            ("account_id", Told(Hex)),
            ("name", Told(Text)),
            ("body", Told(Base64)),
            ("created_ms", Told(Number)),
            ("used_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "totp",
        whose: Account,
        columns: &[
            ("account_id", Told(Hex)),
            ("secret", Withheld(Secret)),
            ("last_step", Told(Number)),
            ("created_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "recovery_code",
        whose: Account,
        columns: &[("account_id", Told(Hex)), ("code_hash", Withheld(Secret))],
        key_columns: 2,
    },
    Holding {
        table: "pending",
        whose: Account,
        columns: &[
            ("secret_hash", Withheld(Secret)),
            ("purpose", Told(Text)),
            ("account_id", Told(Hex)),
            ("body", Withheld(Secret)),
            ("tries_left", Told(Number)),
            ("created_ms", Told(Number)),
            ("expires_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "account_flag",
        whose: Account,
        columns: &[("account_id", Told(Hex)), ("name", Told(Text)), ("enabled", Told(Number))],
        key_columns: 2,
    },
    Holding {
        table: "audit_event",
        whose: Pseudonym("account"),
        columns: &[
            ("event_number", Told(Number)),
            ("time_ms", Told(Number)),
            ("account", Told(Hex)),
            ("actor", Told(Text)),
            ("actor_id", Told(Hex)),
            ("action", Told(Text)),
            ("object", Told(Hex)),
            ("outcome", Told(Text)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "mail",
        whose: AccountOrAddress("recipient"),
        columns: &[
            ("mail_number", Told(Number)),
            ("account_id", Told(Hex)),
            ("recipient", Told(Text)),
            // It may hold a link that signs in.
            ("body", Withheld(Secret)),
            ("tries", Told(Number)),
            ("due_ms", Told(Number)),
            ("expires_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "invitation",
        whose: Address("email"),
        columns: &[
            ("invitation_number", Told(Number)),
            ("secret_hash", Withheld(Secret)),
            ("email", Told(Text)),
            ("role", Told(Text)),
            ("plan", Told(Text)),
            ("mailed", Told(Number)),
            ("created_ms", Told(Number)),
            ("expires_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "data_export",
        whose: Account,
        columns: &[
            ("export_number", Told(Number)),
            ("account_id", Told(Hex)),
            ("secret_hash", Withheld(Secret)),
            ("object_key", Withheld(Storage)),
            ("bytes", Told(Number)),
            ("requested_ms", Told(Number)),
            ("claimed_ms", Withheld(Storage)),
            ("expires_ms", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "account_state",
        whose: Account,
        columns: &[
            ("account_id", Told(Hex)),
            ("version", Told(Number)),
            ("state_hash", Told(Hex)),
            ("body", Told(Base64)),
        ],
        key_columns: 2,
    },
    Holding {
        table: "named_record",
        whose: Account,
        columns: &[
            ("account_id", Told(Hex)),
            ("record_hash", Told(Hex)),
            ("first_version", Told(Number)),
            ("body", Told(Base64)),
        ],
        key_columns: 2,
    },
    Holding {
        table: "vault",
        whose: Account,
        columns: &[
            ("vault_number", Told(Number)),
            ("account_id", Told(Hex)),
            ("vault_id", Told(Hex)),
            ("head_seq", Told(Number)),
            ("head_hash", Told(Hex)),
            ("compact_at_ms", Withheld(Storage)),
            ("fragments", Withheld(Storage)),
            ("entries", Told(Number)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "vault_commit",
        whose: Vault,
        columns: &[
            ("vault_number", Told(Number)),
            ("seq", Told(Number)),
            ("commit_hash", Told(Hex)),
            ("body", Told(Base64)),
        ],
        key_columns: 2,
    },
    // Each with its sealed record, read from the segment.
    Holding {
        table: "object",
        whose: Vault,
        columns: &[
            ("vault_number", Told(Number)),
            ("object_id", Told(Hex)),
            ("seq", Told(Number)),
            ("version", Told(Number)),
            ("record_hash", Told(Hex)),
            ("segment_number", Withheld(Storage)),
            ("segment_offset", Withheld(Storage)),
            ("length", Told(Number)),
        ],
        key_columns: 2,
    },
    Holding {
        table: "segment",
        whose: NoOne,
        columns: &[
            ("segment_number", Withheld(Storage)),
            ("vault_number", Withheld(Storage)),
            ("object_key", Withheld(Storage)),
            ("inline", Withheld(Elsewhere)),
            ("bytes", Withheld(Storage)),
            ("dead_since_ms", Withheld(Storage)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "attempt",
        whose: NoOne,
        columns: &[
            ("limit_key", Withheld(Secret)),
            ("forgiven_ms", Withheld(Storage)),
            ("next_ms", Withheld(Storage)),
        ],
        key_columns: 1,
    },
    Holding {
        table: "plan",
        whose: NoOne,
        columns: &[("name", Withheld(Storage)), ("entitlements", Withheld(Storage))],
        key_columns: 1,
    },
    Holding {
        table: "flag",
        whose: NoOne,
        columns: &[("name", Withheld(Storage)), ("share_percent", Withheld(Storage))],
        key_columns: 1,
    },
    Holding {
        table: "job",
        whose: NoOne,
        columns: &[("name", Withheld(Storage)), ("due_ms", Withheld(Storage))],
        key_columns: 1,
    },
    Holding { table: "store", whose: NoOne, columns: &[("store_id", Withheld(Storage))], key_columns: 1 },
    Holding {
        table: "seaql_migrations",
        whose: NoOne,
        columns: &[("version", Withheld(Storage)), ("applied_at", Withheld(Storage))],
        key_columns: 1,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const INVENTORY: &str = include_str!("../../../docs/privacy/data-inventory.md");

    #[test]
    fn the_inventory_explains_every_column_and_no_other() {
        let mut explained = BTreeSet::new();
        let (_, tables) = INVENTORY.split_once("\n## Tables\n").expect("the page has its tables");
        for section in tables.split("\n### `").skip(1) {
            let (table, text) = section.split_once('`').expect("a heading names a table");
            for word in ["Basis: ", "Kept: ", "Seen by: "] {
                assert!(text.contains(word), "{table} says nothing after {word:?}");
            }
            for line in text.lines().filter_map(|line| line.strip_prefix("| `")) {
                let (column, words) = line.split_once("` | ").expect("a column and what it is");
                let (what, told) = words.split_once(" | ").expect("what it is, and whether it is told");
                assert!(!what.trim().is_empty(), "{table}.{column} is explained");
                explained.insert((table, column, told.starts_with("yes")));
            }
        }
        let columns = |holding: &'static Holding| {
            let told =
                |(name, given): &(&'static str, Given)| (holding.table, *name, matches!(given, Told(_)));
            holding.columns.iter().map(told)
        };
        let decided: BTreeSet<_> = HOLDINGS.iter().flat_map(columns).collect();
        assert_eq!(explained, decided);
    }
}
