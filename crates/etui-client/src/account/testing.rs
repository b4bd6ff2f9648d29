//! A device of a new account that no server has heard of, for tests.

use etui_api::session::Token;

use super::*;
use crate::api::KeptSession;

/// The master password of every such account.
pub(crate) fn password() -> MasterPassword {
    MasterPassword::new("quilt lantern orbit canary").unwrap()
}

/// Sets a device up in a folder, signed in at a server of which nothing is asked, with the master password as its key.
pub(crate) fn device(home: &Home, api: Api) -> Device {
    let new = new_account(&password(), KdfChoice::Keep, "a device").unwrap();
    let (account, vault_keys) = create_account(&new.draft(), &mut OsRandom).unwrap();
    api.resume(Some(KeptSession::new(Token::new("a refresh token".to_owned()))));
    let step = account.into_step(new.device_id).unwrap();
    let keys = Unlocked { keyset: new.keyset, vault_keys, device_key: SigningKey::from_seed(&new.seed) };
    let place = Place {
        home,
        email: "ada@example.org",
        device_id: new.device_id,
        seed: &new.seed,
        use_keyring: false,
        anew: false,
    };
    let device = place.settle(api, &new.master_key, step, |_, _| Ok(keys)).unwrap();
    device.write_file().unwrap();
    device
}
