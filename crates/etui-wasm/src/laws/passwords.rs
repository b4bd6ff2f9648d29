//! Master passwords are judged, and derive the same key from the same words, at the full cost.

use etui_chain::{AccountId, DeviceId};
use etui_crypto::{
    CheckedKdf, KdfParameters, MasterKey, MasterPassword, PasswordFault, check_master_choice,
    derive_master_key, random_id, random_salt,
};

use super::kit::Random;

pub(super) fn hold(random: &mut Random) {
    let [weak, composed, decomposed] =
        ["password1999", "correct h\u{f6}rse battery", "correct ho\u{308}rse battery"]
            .map(|typed| MasterPassword::new(typed).unwrap());
    assert_eq!(check_master_choice(&weak, &[]), Err(PasswordFault::Guessable));
    assert_eq!(check_master_choice(&composed, &[]), Ok(()));

    let account_id: AccountId = random_id(random).unwrap();
    let device_id: DeviceId = random_id(random).unwrap();
    let descriptor = KdfParameters::FLOOR.describe(random_salt(random), false);
    let kdf = CheckedKdf::new(descriptor, None).unwrap();
    let derived = |password| derive_master_key(password, None, &kdf, account_id).unwrap();
    let visible = |key: &MasterKey| *key.local_store_key(device_id).expose();
    let key = visible(&derived(&composed));
    assert_eq!(key, visible(&derived(&decomposed)), "one password, typed on two keyboards");
    assert_ne!(key, visible(&derived(&weak)));
}
