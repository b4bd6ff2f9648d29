//! How long each kind of record is kept. The one table of it: `docs/privacy/data-inventory.md` shows what [`table`] writes.

use std::fmt::Write as _;

/// A kind of record.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// What, in plain words.
    pub what: &'static str,
    /// The tables, or the folder of the object store, that it lies in.
    pub places: &'static [&'static str],
    /// How long, unless it is set otherwise.
    pub how_long: &'static str,
    /// The setting that says so.
    pub setting: Option<&'static str>,
}

const UNTIL_DELETED: &str = "with the account";
const DEAD: &str = "until replaced or purged, then up to 9 days (compaction and its grace of a day)";

/// Every kind of record that is about somebody.
pub const KEPT: [Kept; 13] = [
    Kept {
        what: "account, ways to sign in, flags",
        places: &["account", "identity", "passkey", "totp", "recovery_code", "account_flag"],
        how_long: UNTIL_DELETED,
        setting: None,
    },
    Kept {
        what: "signed states and commits, vaults",
        places: &["account_state", "named_record", "vault", "vault_commit", "object"],
        how_long: UNTIL_DELETED,
        setting: None,
    },
    Kept { what: "sealed records", places: &["segment", "segments/"], how_long: DEAD, setting: None },
    Kept {
        what: "a deleted account, whole",
        places: &["account"],
        how_long: "7 days after it was deleted; its sealed objects a day longer",
        setting: Some("deletion_grace_days"),
    },
    Kept { what: "sessions", places: &["session"], how_long: "90 days after their last use", setting: None },
    Kept {
        what: "spent tokens of an older version",
        places: &["spent_refresh"],
        how_long: "30 days",
        setting: None,
    },
    Kept {
        what: "known devices without a session",
        places: &["known_device"],
        how_long: "400 days after their first sign-in",
        setting: Some("keep_devices_days"),
    },
    Kept {
        what: "events of the audit log",
        places: &["audit_event"],
        how_long: "400 days",
        setting: Some("keep_events_days"),
    },
    Kept {
        what: "invitations",
        places: &["invitation"],
        how_long: "until followed, or an hour after their end",
        setting: None,
    },
    Kept {
        what: "sign-ins and changes that were begun",
        places: &["pending"],
        how_long: "until finished, or an hour after their end",
        setting: None,
    },
    Kept {
        what: "mail that waits to be sent",
        places: &["mail"],
        how_long: "until sent, or an hour after its end",
        setting: None,
    },
    Kept {
        what: "failed tries, under keyed hashes",
        places: &["attempt"],
        how_long: "until they are forgotten, as the row says",
        setting: None,
    },
    Kept {
        what: "downloads of everything held",
        places: &["data_export", "exports/"],
        how_long: "24 hours",
        setting: Some("export_hours"),
    },
];

/// As a table of Markdown.
pub fn table() -> String {
    let mut text = "| what | where | how long | setting |\n|---|---|---|---|\n".to_owned();
    for Kept { what, places, how_long, setting } in &KEPT {
        let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
        let setting = setting.map(|setting| format!("`{setting}`")).unwrap_or_default();
        let _ = writeln!(text, "| {what} | {} | {how_long} | {setting} |", places.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_the_table_says_is_what_holds() {
        let printed = Settings::in_folder("/nowhere").to_toml();
        for kept in KEPT {
            let Some(setting) = kept.setting else { continue };
            let value = printed.lines().find_map(|line| line.strip_prefix(&format!("{setting} = ")));
            let value = value.unwrap_or_else(|| panic!("{setting} is a setting"));
            assert!(
                kept.how_long.contains(&format!("{value} ")),
                "{setting} is {value}, said is {}",
                kept.how_long
            );
        }
    }

    #[test]
    fn the_inventory_shows_the_table() {
        let inventory = include_str!("../../../docs/privacy/data-inventory.md");
        assert!(inventory.contains(&table()), "docs/privacy/data-inventory.md must hold:\n\n{}", table());
    }

    #[test]
    fn every_table_about_somebody_has_its_time() {
        for holding in etui_store::holdings::HOLDINGS {
            let is_kept = KEPT.iter().any(|kept| kept.places.contains(&holding.table));
            let is_about_somebody = holding.whose != etui_store::holdings::Whose::NoOne;
            assert!(is_kept || !is_about_somebody, "{} has no time", holding.table);
        }
    }
}
