//! What an account may use, and what it uses. A plan never deletes or hides anything: it bounds growth alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a plan gives. What is absent is not limited by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entitlements {
    /// Entries of all vaults together, those in the trash among them: only what was deleted for good is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Devices that the account's state lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// Vaults that the account's state lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vaults: Option<u64>,
    /// Sealed bytes of attachments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_bytes: Option<u64>,
    /// The only features that it includes, by [`Feature::name`]; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub features: Option<BTreeSet<String>>,
}

impl Entitlements {
    /// Whether a feature is included.
    pub fn include(&self, feature: Feature) -> bool {
        self.features.as_ref().is_none_or(|features| features.contains(feature.name()))
    }
}

/// What a plan may include or not. Nothing that keeps an account safe, or lets its holder have what is in it, is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// News as they happen (`GET /v1/events`); without it devices ask from time to time.
    LiveEvents,
}

impl Feature {
    /// Every feature.
    pub const ALL: &'static [Self] = &[Self::LiveEvents];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiveEvents => "live_events",
        }
    }
}

/// What an account uses of what plans limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Used {
    /// Entries, as [`Entitlements::entries`] counts them.
    pub entries: u64,
    /// Devices that the newest state lists.
    pub devices: u64,
    /// Vaults that the newest state lists.
    pub vaults: u64,
}

/// `GET /v1/account/entitlements`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountEntitlements {
    /// The plan's name.
    pub plan: String,
    /// What it gives.
    pub entitlements: Entitlements,
    /// What is used of it now; more than it gives if the account had a larger plan before.
    pub used: Used,
    /// The feature flags, as they hold for this account.
    pub flags: BTreeMap<String, bool>,
}

/// The longest name of a plan or flag in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Whether it can be the name of a plan or flag: small letters, digits, `-` and `_`.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_not_limited() {
        let unlimited = Entitlements::default();
        assert!(Feature::ALL.iter().all(|feature| unlimited.include(*feature)));
        let bare = Entitlements { features: Some(BTreeSet::new()), ..Entitlements::default() };
        assert!(!Feature::ALL.iter().any(|feature| bare.include(*feature)));
    }

    #[test]
    fn names_are_plain() {
        assert!(["free", "self-hosted", "new_search2"].into_iter().all(is_name));
        assert!(!["", "Free", "a b", "ä", "a/b", &"a".repeat(65)].into_iter().any(is_name));
    }
}
