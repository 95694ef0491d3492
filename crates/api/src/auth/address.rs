use crate::http::Incoming;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// The client's address: the host's own word (`spin-client-addr`), or the last entry of
/// `x-forwarded-for` where the operator says that a proxy of ours appends to it. Earlier entries,
/// and earlier headers of that name, were written by the client.
pub(super) fn client_address(request: &Incoming, trust_forwarded: bool) -> Option<IpAddr> {
    let forwarded = trust_forwarded.then(|| forwarded(request.headers())).flatten();
    forwarded.or_else(|| parse(request.header("spin-client-addr")?))
}

fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    parse(last.rsplit(',').next()?.trim())
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
    fn only_what_the_proxy_appended_counts() {
        let table: [(&[&str], &str); 4] = [
            (&["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
            // Some proxies add a header of their own after the client's.
            (&["10.0.0.1", "203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.1", "192.0.2.7, 203.0.113.9:4711"], "203.0.113.9"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            assert_eq!(forwarded(&headers), expected.parse().ok(), "{values:?}");
        }
    }

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
