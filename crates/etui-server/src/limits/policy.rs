//! What is counted, and how much of it is too much. The numbers are explained in `docs/design/0009-limits.md`.

use std::net::IpAddr;

use etui_chain::DeviceId;
use etui_store::{Count, Limit, Shared, Try};

use super::{
    Target,
    keys::{Keys, Kind, Subject, place, wide_place},
};

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// No owner of an account waits for longer between two tries of a login password.
pub(super) const LONGEST_LOGIN_DELAY_MS: u64 = 15 * MINUTE_MS;
/// The same for a second factor, which has a million values in all.
pub(super) const LONGEST_SECOND_FACTOR_DELAY_MS: u64 = HOUR_MS;

/// Tries at the login password of one account: by strangers together, and by each known device.
pub(super) const LOGIN: Limit = Limit {
    free: 10,
    forgive_ms: HOUR_MS,
    first_delay_ms: 15 * SECOND_MS,
    longest_delay_ms: LONGEST_LOGIN_DELAY_MS,
    most: 24,
};

/// Tries at the second factor of one account: by strangers together, and by each known device.
pub(super) const SECOND_FACTOR: Limit = Limit {
    free: 5,
    forgive_ms: HOUR_MS,
    first_delay_ms: MINUTE_MS,
    longest_delay_ms: LONGEST_SECOND_FACTOR_DELAY_MS,
    most: 24,
};

/// Tries from one place. As many are free as may wait to be hashed at once, so that an office whose people all sign in at nine
/// is not slowed down.
pub(super) const PLACE: Limit = Limit {
    free: 256,
    forgive_ms: MINUTE_MS,
    first_delay_ms: 10 * SECOND_MS,
    longest_delay_ms: 5 * MINUTE_MS,
    most: 512,
};

/// Tries from one site, which may be many people's.
pub(super) const WIDE_PLACE: Limit = Limit { free: 1024, forgive_ms: MINUTE_MS / 4, most: 2048, ..PLACE };

/// Whether a place has failed today. It never has anybody wait.
pub(super) const NEWCOMER: Limit =
    Limit { free: 1, forgive_ms: 24 * HOUR_MS, first_delay_ms: 0, longest_delay_ms: 0, most: 1 };

/// Tries of everybody who is no newcomer.
pub(super) const EVERYBODY: Limit = Limit {
    free: 4096,
    forgive_ms: 10 * SECOND_MS,
    first_delay_ms: SECOND_MS,
    longest_delay_ms: MINUTE_MS,
    most: 8192,
};

/// The same for second factors, of which so few values exist that guessing over all accounts would find one.
pub(super) const EVERYBODY_SECOND_FACTOR: Limit =
    Limit { free: 256, forgive_ms: MINUTE_MS, longest_delay_ms: 5 * MINUTE_MS, most: 512, ..EVERYBODY };

/// What a try is charged to; `known`: the device, if it has signed in to the account before.
pub(super) fn counts(keys: &Keys, client: IpAddr, target: Target<'_>, known: Option<DeviceId>) -> Try {
    let (everybody, by_account) = match target {
        Target::Address(address) | Target::Letter(address) => {
            let subject = Subject::of_address(address);
            if let Some(device_id) = known {
                return alone(Count { key: subject.with(keys, Kind::Known, device_id), limit: LOGIN });
            }
            let key = keys.of(Kind::Address, &[subject.bytes()]);
            ((Kind::Everybody, EVERYBODY), Some(Count { key, limit: LOGIN }))
        }
        Target::SecondFactor(account_id) => {
            let subject = Subject::Account(account_id);
            if let Some(device_id) = known {
                let key = subject.with(keys, Kind::KnownSecondFactor, device_id);
                return alone(Count { key, limit: SECOND_FACTOR });
            }
            let key = keys.of(Kind::SecondFactor, &[subject.bytes()]);
            (
                (Kind::EverybodySecondFactor, EVERYBODY_SECOND_FACTOR),
                Some(Count { key, limit: SECOND_FACTOR }),
            )
        }
        Target::Code => ((Kind::EverybodyCode, EVERYBODY), None),
        Target::SignUp => ((Kind::EverybodySignUp, EVERYBODY), None),
    };
    let place_kinds = match target {
        // An account that is made is not taken back, and whoever made one is no less of a newcomer when signing in.
        Target::SignUp => [Kind::SignUpPlace, Kind::SignUpWidePlace, Kind::SignUpNewcomer],
        _ => [Kind::Place, Kind::WidePlace, Kind::Newcomer],
    };
    let (everybody, limit) = everybody;
    let everybody = Count { key: keys.of(everybody, &[]), limit };
    strangers(keys, client, place_kinds, by_account, everybody)
}

/// Whoever is known is slowed down by nobody else.
fn alone(count: Count) -> Try {
    Try { own: vec![count], shared: None }
}

fn strangers(
    keys: &Keys,
    client: IpAddr,
    [narrow_kind, wide_kind, newcomer_kind]: [Kind; 3],
    by_account: Option<Count>,
    everybody: Count,
) -> Try {
    let (narrow, wide) = (place(client), wide_place(client));
    let mut own = vec![Count { key: keys.of(narrow_kind, &[&narrow]), limit: PLACE }];
    own.extend(wide.as_ref().map(|wide| Count { key: keys.of(wide_kind, &[wide]), limit: WIDE_PLACE }));
    own.extend(by_account);
    let newcomer =
        Count { key: keys.of(newcomer_kind, &[wide.as_ref().unwrap_or(&narrow)]), limit: NEWCOMER };
    Try { own, shared: Some(Shared { newcomer, everybody }) }
}
