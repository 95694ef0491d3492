use crate::http::Incoming;
use std::net::{IpAddr, SocketAddr};

/// The client's address: the host's own word (`spin-client-addr`), or the last entry of
/// `x-forwarded-for` where the operator says that a proxy of ours appends to it. Earlier entries
/// were written by the client.
pub(super) fn client_address(request: &Incoming, trust_forwarded: bool) -> Option<IpAddr> {
    let forwarded = || request.header("x-forwarded-for")?.rsplit(',').next()?.trim().parse().ok();
    if trust_forwarded && let Some(address) = forwarded() {
        return Some(address);
    }
    parse(request.header("spin-client-addr")?)
}

fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip());
    // Dual-stack listeners show IPv4 clients as mapped IPv6 addresses.
    address.or_else(|_| text.parse()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_a_port() {
        for (text, expected) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(parse(text), expected.parse().ok(), "{text}");
        }
        assert_eq!(parse("localhost"), None);
    }
}
