//! The names of counters: keyed hashes, since a row must not tell whom or what it is about.

use std::net::{IpAddr, Ipv6Addr};

use etui_api::email::normalize_email;
use etui_chain::{AccountId, DeviceId};
use etui_store::LimitKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a counter counts by. Each kind has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Known,
    KnownSecondFactor,
    Place,
    WidePlace,
    Address,
    SecondFactor,
    Newcomer,
    Everybody,
    EverybodySecondFactor,
    EverybodyCode,
    SignUpPlace,
    SignUpWidePlace,
    SignUpNewcomer,
    EverybodySignUp,
}

/// Makes the names of counters, the same ones on every node.
pub(crate) struct Keys(Zeroizing<[u8; 32]>);

impl Keys {
    /// With a secret of the server.
    pub(crate) const fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    pub(super) fn of(&self, kind: Kind, parts: &[&[u8]]) -> LimitKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("any length is a key");
        mac.update(&[kind as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        LimitKey::new(std::array::from_fn(|index| hash[index]))
    }
}

/// The account that is tried, whether there is one or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// By its address, in the one form in which addresses are compared; as it came, if it can be none.
    Address(String),
    /// By its id.
    Account(AccountId),
}

impl Subject {
    pub(super) fn of_address(address: &str) -> Self {
        Self::Address(normalize_email(address).unwrap_or_else(|| address.to_owned()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Address(address) => address.as_bytes(),
            Self::Account(account_id) => account_id.as_bytes(),
        }
    }

    pub(super) fn with(&self, keys: &Keys, kind: Kind, device_id: DeviceId) -> LimitKey {
        keys.of(kind, &[self.bytes(), device_id.as_bytes()])
    }
}

/// Whoever has an IPv6 address has the whole /64 around it.
pub(super) fn place(client: IpAddr) -> Vec<u8> {
    match client {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => network(address, 64),
    }
}

/// The network of a site, where addresses are given out by such: a /48 of IPv6.
pub(super) fn wide_place(client: IpAddr) -> Option<Vec<u8>> {
    match client {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(network(address, 48)),
    }
}

fn network(address: Ipv6Addr, bits: usize) -> Vec<u8> {
    address.octets()[..bits / 8].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(Zeroizing::new([7; 32]))
    }

    #[test]
    fn one_address_has_one_key_however_it_is_written() {
        assert_eq!(Subject::of_address(" Ada@Example.org "), Subject::of_address("ada@example.org"));
        assert_ne!(Subject::of_address("no address"), Subject::of_address("another"));
    }

    #[test]
    fn kinds_parts_and_secrets_make_other_keys() {
        let key = keys().of(Kind::Place, &[b"ab", b"c"]);
        assert_ne!(key, keys().of(Kind::WidePlace, &[b"ab", b"c"]));
        assert_ne!(key, keys().of(Kind::Place, &[b"a", b"bc"]));
        assert_ne!(key, Keys::new(Zeroizing::new([8; 32])).of(Kind::Place, &[b"ab", b"c"]));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place_and_a_site_is_one_wide_place() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let [one, two, far] = ["2001:db8:1::1", "2001:db8:1::ffff", "2001:db8:1:2::1"].map(address);
        assert_eq!(place(one), place(two));
        assert_ne!(place(one), place(far));
        assert_eq!(wide_place(one), wide_place(far));
        assert_ne!(wide_place(one), wide_place(address("2001:db8:2::1")));
        assert_ne!(place(address("203.0.113.9")), place(address("203.0.113.10")));
        assert_eq!(wide_place(address("203.0.113.9")), None);
    }
}
