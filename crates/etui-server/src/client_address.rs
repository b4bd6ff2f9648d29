//! Where a request comes from, when proxies stand in front.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Headers that only something in front of the server adds.
const FORWARDING: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The client's address: the connection's own, unless that is a trusted proxy; then the last address of
/// `X-Forwarded-For` that is not one. What stands further left was written by the client and proves nothing.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    let hops = headers.get_all(X_FORWARDED_FOR).iter().rev();
    for hop in hops.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
        // A hop that cannot be read ends the walk: whoever wrote it is not to be believed further.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { return client };
        client = address.to_canonical();
        if !is_trusted(&client) {
            return client;
        }
    }
    client
}

/// Whether the request passed something that says so.
pub fn was_forwarded(headers: &HeaderMap) -> bool {
    FORWARDING.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_header_counts_only_from_a_trusted_proxy() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("10.0.0.2", &["198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.2", &["2001:db8::7"], &["10.0.0.0/8"]), "2001:db8::7");
    }

    #[test]
    fn what_the_client_wrote_itself_is_passed_over() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client("10.0.0.2", &["192.0.2.66, 198.51.100.1"], &trusted), "198.51.100.1");
        assert_eq!(client("10.0.0.2", &["192.0.2.66", "198.51.100.1, 10.0.0.3"], &trusted), "198.51.100.1");
        assert_eq!(client("10.0.0.2", &["192.0.2.66, nonsense, 10.0.0.3"], &trusted), "10.0.0.3");
        assert_eq!(client("10.0.0.2", &[], &trusted), "10.0.0.2");
        assert_eq!(client("10.0.0.2", &["10.0.0.4"], &trusted), "10.0.0.4");
    }

    #[test]
    fn ipv6_is_walked_like_ipv4_in_one_line_or_several() {
        let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48", "::1/128"];
        let [proxy, client_v6] = ["2001:db8:ffff::2", "2001:db8:1::7"];
        assert_eq!(client(proxy, &[client_v6], &trusted), client_v6);
        assert_eq!(
            client("::1", &["192.0.2.66, 2001:db8:1::7", "2001:db8:ffff::3,10.0.0.9"], &trusted),
            client_v6
        );
        assert_eq!(client(proxy, &["2001:DB8:1:0:0:0:0:7"], &trusted), client_v6, "however it is written");
        assert_eq!(client(proxy, &["::ffff:203.0.113.9"], &trusted), "203.0.113.9");
        assert_eq!(client(client_v6, &["192.0.2.66"], &trusted), client_v6, "it is no proxy of ours");
        assert_eq!(client("2001:db8:fffe::2", &[client_v6], &trusted), "2001:db8:fffe::2");
        // With a port or brackets it is no address: nobody is believed who writes that.
        for written in ["[2001:db8:1::7]:443", "[2001:db8:1::7]", "198.51.100.1:80", "unknown", "", ","] {
            assert_eq!(client(proxy, &[written], &trusted), proxy, "{written}");
        }
    }

    #[test]
    fn a_long_list_is_read_from_its_end_alone() {
        let forged = "192.0.2.66, ".repeat(10_000) + "198.51.100.1, 10.0.0.3";
        assert_eq!(client("10.0.0.2", &[&forged], &["10.0.0.0/8"]), "198.51.100.1");
        // Whoever is in the network of the proxies is taken for one: the last one that is named.
        assert_eq!(client("10.0.0.2", &["10.0.0.9, 10.0.0.8"], &["10.0.0.0/8"]), "10.0.0.9");
    }

    #[test]
    fn a_forwarding_header_is_noticed() {
        let mut headers = HeaderMap::new();
        assert!(!was_forwarded(&headers));
        headers.insert("X-Forwarded-Proto", "https".parse().unwrap());
        assert!(was_forwarded(&headers));
    }
}
