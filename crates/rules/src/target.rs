//! Whether an address may be the target of a webhook.
//!
//! A customer chooses the URL, so it must not lead into our own network. What an address says is
//! judged here, once for the API, which refuses early and politely, and for the courier, which
//! asks again about every address that a name resolves to. This module resolves nothing and
//! parses no URL. To add a special range, add it to the tables below and to the tests' list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that never belong to the public internet, by their last label.
const RESERVED: [&str; 9] =
    ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion"];

/// How far webhooks may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The public internet only.
    Public,
    /// Loopback too: a developer's own receiver.
    PublicAndLoopback,
}

impl Reach {
    /// Loopback is for development only.
    #[must_use]
    pub const fn of(local_mode: bool) -> Self {
        if local_mode { Self::PublicAndLoopback } else { Self::Public }
    }

    /// Whether a connection may go to `address`.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::PublicAndLoopback && address.to_canonical().is_loopback())
    }

    /// Whether the host of a URL may be tried at all. A name's addresses are still to be judged
    /// when it is resolved.
    #[must_use]
    pub fn allows_host(self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        match host.parse::<IpAddr>() {
            Ok(address) => self.allows(address),
            Err(_) => is_public_name(host) || (self == Self::PublicAndLoopback && is_loopback_name(host)),
        }
    }
}

/// A last label without letters is an address in disguise (`0x7f000001`, `127.1`).
fn is_public_name(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let label = host.rsplit('.').next().unwrap_or_default();
    host.contains('.')
        && !RESERVED.contains(&label)
        && label.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn is_loopback_name(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether an address belongs to the public internet. What is not known to be public is not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the registry of special-purpose addresses (RFC 6890).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_broadcast()
        || address.is_multicast();
    // This network, reserved, shared by carriers, protocol assignments, benchmarks, 6to4 relays.
    let assigned = matches!(
        (a, b, c),
        (0 | 240.., ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _) | (192, 88, 99)
    );
    !(special || assigned)
}

/// Only global unicast is public, and of it not what carries other addresses within (Teredo,
/// 6to4) or is for documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global_unicast = first & 0xe000 == 0x2000;
    let wraps_another = (first, second) == (0x2001, 0) || first == 0x2002;
    let documentation = (first, second) == (0x2001, 0xdb8) || first == 0x3fff;
    global_unicast && !wraps_another && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: [&str; 20] = [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ];

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"] {
            assert!(Reach::Public.allows(public.parse().unwrap()), "{public}");
        }
        for special in SPECIAL {
            assert!(!Reach::Public.allows(special.parse().unwrap()), "{special}");
            assert!(!Reach::Public.allows_host(special), "{special}");
        }
    }

    #[test]
    fn local_mode_opens_loopback_and_nothing_else() {
        for loopback in ["127.0.0.1", "[::1]", "localhost", "hooks.localhost"] {
            assert!(Reach::PublicAndLoopback.allows_host(loopback), "{loopback}");
            assert!(!Reach::Public.allows_host(loopback), "{loopback}");
        }
        for private in ["169.254.169.254", "10.0.0.1", "db.internal", "intranet"] {
            assert!(!Reach::PublicAndLoopback.allows_host(private), "{private}");
        }
    }

    #[test]
    fn names_of_private_networks_and_disguised_addresses_are_no_public_hosts() {
        for host in
            ["db.internal", "printer.local", "intranet", "0x7f000001", "127.1", "2130706433", "LOCALHOST."]
        {
            assert!(!Reach::Public.allows_host(host), "{host}");
        }
        for host in ["hooks.example.com", "example.com.", "xn--bcher-kva.example"] {
            assert!(Reach::Public.allows_host(host), "{host}");
        }
    }
}
