//! `recovery.json`: Recovery Kits as QR text and as words, and what is not one.

use etui_chain::{AccountId, Digest, Refusal, Refused};
use serde::{Deserialize, Serialize};

use super::{
    Mismatch,
    format::{At as _, same},
};
use crate::{RecoveryKey, RecoveryKit, SecretKey, secret_from_words};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) kits: Vec<Kit>,
    pub(super) refused: Vec<Unreadable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kit {
    pub(super) account_id: AccountId,
    pub(super) recovery_key: Digest,
    pub(super) secret_key: Option<Digest>,
    pub(super) qr: String,
    pub(super) words: String,
    pub(super) secret_words: Option<String>,
}

impl Kit {
    pub(super) fn kit(&self) -> RecoveryKit {
        RecoveryKit {
            account_id: self.account_id,
            recovery_key: RecoveryKey::from_bytes(self.recovery_key.as_bytes()),
            secret_key: self.secret_key.map(|key| SecretKey::from_bytes(key.as_bytes())),
        }
    }
}

/// Either a QR text or 24 words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unreadable {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) qr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) words: Option<String>,
    pub(super) error: String,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    for (index, given) in file.kits.iter().enumerate() {
        check_kit(given, &format!("kit {index}"))?;
    }
    for given in &file.refused {
        let refusal = refusal_of(given).map(Refusal::name);
        same(&refusal, &Some(given.error.as_str()), &given.name)?;
    }
    Ok(file.kits.len() + file.refused.len())
}

fn check_kit(given: &Kit, at: &str) -> Result<(), Mismatch> {
    let from_qr = RecoveryKit::from_qr_text(&given.qr).map_err(Refused::from).at(at)?;
    let from_words = RecoveryKit::from_words(given.account_id, &given.words, given.secret_words.as_deref());
    for kit in [given.kit(), from_qr, from_words.map_err(Refused::from).at(at)?] {
        same(&*kit.to_qr_text(), &given.qr, format_args!("{at}, qr"))?;
        let (words, secret_words) = kit.to_words();
        same(&*words, &given.words, format_args!("{at}, words"))?;
        let secret_words = secret_words.as_ref().map(|words| words.as_str());
        same(&secret_words, &given.secret_words.as_deref(), format_args!("{at}, secret_words"))?;
    }
    Ok(())
}

fn refusal_of(given: &Unreadable) -> Option<Refusal> {
    let error = match (&given.qr, &given.words) {
        (Some(qr), None) => RecoveryKit::from_qr_text(qr).err(),
        (None, Some(words)) => secret_from_words(words).err(),
        _ => None,
    };
    error.map(|error| Refused::from(error).refusal)
}
