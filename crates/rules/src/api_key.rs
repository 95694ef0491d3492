//! API keys: their form, their digest, and the networks they may be used from.
//!
//! A key is `tif_live_` or `tif_test_` and 43 base-62 digits: 256 random bits. It is shown once;
//! the database holds its SHA-256 and a hint for people. A slow hash would protect nothing
//! here, because nobody can guess 256 bits.

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 43;

talkif_model::string_enum! {
    /// What a key works on.
    pub enum Mode as "key mode" {
        /// Real calls.
        Live = "live",
        /// Test calls.
        Test = "test",
    }
}

impl Mode {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Live => "tif_live_",
            Self::Test => "tif_test_",
        }
    }
}

/// A key just made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The whole key, to be shown once.
    pub key: String,
    /// For people to tell keys apart: `tif_live_aBc…hijk`.
    pub hint: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("hint", &self.hint).finish_non_exhaustive()
    }
}

/// Makes a key from 32 random bytes.
#[must_use]
pub fn generate(mode: Mode, random: [u8; 32]) -> NewKey {
    let key = format!("{}{}", mode.prefix(), base62(random));
    let hint = hint(&key);
    NewKey { key, hint }
}

/// The digest under which a key is stored and found.
#[must_use]
pub fn sha256(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The mode of a well-formed key, `None` for everything else. Checked before the database is
/// asked, so that garbage costs nothing.
#[must_use]
pub fn parse(text: &str) -> Option<Mode> {
    let (mode, rest) =
        Mode::ALL.iter().find_map(|mode| text.strip_prefix(mode.prefix()).map(|rest| (*mode, rest)))?;
    let well_formed = rest.len() == LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    well_formed.then_some(mode)
}

/// Whether a client at `address` may use a key that is bound to `networks`. No networks: from
/// anywhere. An IPv4 address that comes in IPv6 clothes (`::ffff:10.0.0.1`) counts as IPv4.
///
/// # Errors
/// [`BadCidr`] if one of `networks` cannot be read; nothing is allowed then.
pub fn address_allowed<S: AsRef<str>>(networks: &[S], address: IpAddr) -> Result<bool, BadCidr> {
    let networks = networks.iter().map(|text| parse_cidr(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let address = address.to_canonical();
    Ok(networks.is_empty() || networks.iter().any(|network| network.contains(&address)))
}

/// Reads `10.0.0.0/8`, `2001:db8::/32` or a single address.
///
/// # Errors
/// [`BadCidr`].
pub fn parse_cidr(text: &str) -> Result<IpNet, BadCidr> {
    let text = text.trim();
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(unmap).map_err(|_| BadCidr)
}

/// A text that is neither a network nor an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network in CIDR notation")]
pub struct BadCidr;

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`: the mapped range is 96 bits deep in IPv6.
fn unmap(network: IpNet) -> IpNet {
    let depth = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), depth) {
        (IpAddr::V4(address), Some(depth)) if network.addr().is_ipv6() => {
            IpNet::new(address.into(), depth).unwrap_or(network)
        }
        _ => network,
    }
}

fn hint(key: &str) -> String {
    let head = key.get(..12).unwrap_or_default();
    let tail = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
    format!("{head}…{tail}")
}

/// A 256-bit number in 43 base-62 digits, which is just enough.
fn base62(mut number: [u8; 32]) -> String {
    let mut digits: Vec<char> = (0..LENGTH).map(|_| digit(divide(&mut number))).collect();
    digits.reverse();
    digits.into_iter().collect()
}

/// Divides the big-endian `number` by 62 in place and returns the remainder.
fn divide(number: &mut [u8; 32]) -> u32 {
    let mut remainder = 0_u32;
    for byte in number {
        let value = remainder * 256 + u32::from(*byte);
        // Below 256, because the remainder is below 62.
        *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
        remainder = value % 62;
    }
    remainder
}

fn digit(value: u32) -> char {
    DIGITS.get(value as usize).map_or('0', |byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_has_its_mode_and_a_hint() {
        let made = generate(Mode::Live, [0xab; 32]);
        assert_eq!(made.key.len(), 9 + 43);
        assert_eq!(parse(&made.key), Some(Mode::Live));
        assert_eq!(parse(&generate(Mode::Test, [1; 32]).key), Some(Mode::Test));
        assert!(made.hint.starts_with(made.key.get(..12).unwrap()));
        assert!(made.hint.ends_with(made.key.get(48..).unwrap()));
        assert!(!format!("{made:?}").contains(&made.key));
    }

    #[test]
    fn garbage_is_no_key() {
        let good = generate(Mode::Live, [1; 32]).key;
        for bad in
            ["", "tif_live_", "tif_prod_0", &good.replace("live", "life"), &format!("{good}0"), &good[1..]]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse(&format!("tif_live_{}", "-".repeat(43))), None);
    }

    #[test]
    fn the_extreme_numbers_fit_into_43_digits() {
        assert_eq!(base62([0; 32]), "0".repeat(43));
        assert_eq!(base62([255; 32]), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }

    /// Base 62 by doubling a number digit by digit, bit after bit.
    fn reference(number: [u8; 32]) -> String {
        let mut digits = [0_u32; 43];
        for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at) & 1)) {
            let mut carry = bit;
            for digit in digits.iter_mut().rev() {
                let doubled = *digit * 2 + carry;
                *digit = doubled % 62;
                carry = doubled / 62;
            }
            assert_eq!(carry, 0, "43 digits hold 256 bits");
        }
        digits.iter().map(|value| digit(*value)).collect()
    }

    proptest! {
        #[test]
        fn base_62_agrees_with_doubling(number: [u8; 32]) {
            prop_assert_eq!(base62(number), reference(number));
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        let digest = hex::encode(sha256("abc"));
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn networks_bind_a_key() {
        let table = [
            (&["10.0.0.0/8"][..], "10.1.2.3", true),
            (&["10.0.0.0/8"], "11.1.2.3", false),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", true),
            (&["::ffff:10.0.0.0/104"], "10.1.2.3", true),
            (&["::ffff:10.0.0.0/104"], "11.1.2.3", false),
            (&["192.0.2.7"], "192.0.2.7", true),
            (&["192.0.2.7"], "192.0.2.8", false),
            (&["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", true),
            (&["2001:db8::/32"], "10.0.0.1", false),
            (&["0.0.0.0/0"], "2001:db8::1", false),
            (&[], "203.0.113.9", true),
        ];
        for (networks, address, expected) in table {
            assert_eq!(
                address_allowed(networks, address.parse().unwrap()),
                Ok(expected),
                "{networks:?} {address}"
            );
        }
    }

    #[test]
    fn an_unreadable_network_allows_nobody() {
        assert_eq!(address_allowed(&["everywhere"], "10.0.0.1".parse().unwrap()), Err(BadCidr));
        assert_eq!(parse_cidr("10.0.0.0/33"), Err(BadCidr));
    }
}
