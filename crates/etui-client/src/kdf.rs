//! How much work lies between a master password and its key.

use std::time::Instant;

use etui_chain::{AccountId, KdfDescriptor};
use etui_crypto::{CheckedKdf, KdfParameters, MasterKey, MasterPassword, derive_master_key, random_salt};

use crate::{ClientError, OsRandom};

/// What a person wants the key derivation of a new master password to cost. No cost ever falls
/// (`docs/design/0003-keys-on-a-device.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KdfChoice {
    /// What the account has; a new one gets the default, which every device can afford.
    #[default]
    Keep,
    /// About a second on this device, measured now, with at most 256 MiB of memory.
    Calibrate,
    /// Exactly this.
    Exactly(KdfParameters),
}

impl KdfChoice {
    /// The costs for an account that has `held`.
    ///
    /// # Errors
    /// `limit` if there is not enough memory to measure.
    pub(crate) fn costs(self, held: KdfParameters) -> Result<KdfParameters, ClientError> {
        Ok(match self {
            Self::Keep => held,
            Self::Calibrate => calibrate()?.at_least(held),
            Self::Exactly(costs) => costs,
        })
    }
}

/// A new salt and the key that the password gives with it.
///
/// # Errors
/// `kdf_floor`, `kdf_ceiling`, or `kdf_pin` below what the account has; `limit`.
pub(crate) fn fresh_master_key(
    password: &MasterPassword,
    account_id: AccountId,
    costs: KdfParameters,
    held: Option<&KdfDescriptor>,
) -> Result<(KdfDescriptor, MasterKey), ClientError> {
    let kdf = costs.describe(random_salt(&mut OsRandom), false);
    let checked = CheckedKdf::new(kdf, held)?;
    Ok((kdf, derive_master_key(password, None, &checked, account_id)?))
}

/// The quicker of two derivations counts: a moment in which the machine was busy must not cheapen the result.
fn calibrate() -> Result<KdfParameters, ClientError> {
    let took = measure()?.min(measure()?);
    Ok(KdfParameters::for_about_a_second(took))
}

fn measure() -> Result<std::time::Duration, ClientError> {
    let nobody = etui_crypto::random_id(&mut OsRandom)?;
    let started = Instant::now();
    fresh_master_key(&MasterPassword::new("measured and thrown away")?, nobody, KdfParameters::FLOOR, None)?;
    Ok(started.elapsed())
}
