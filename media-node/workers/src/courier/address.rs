//! Which addresses a webhook may go to.
//!
//! A customer chooses the URL, so it must not lead into our own network. Names are resolved
//! here and the connection is made to exactly the addresses that were checked: a name that
//! resolves to a public address for the check and to a private one for the connection gains
//! nothing. Redirects are not followed at all.

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Looks a host name up.
pub(super) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The system's resolver.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    })
}

/// A host that a webhook may not go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The URL cannot be used at all.
    #[error("the address is not an http or https URL with a host")]
    NotHttp,
    /// A private, loopback, link-local or otherwise special address.
    #[error("the host is not on the public internet")]
    NotPublic,
}

/// Which addresses are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The public internet only.
    Public,
    /// Loopback too: a developer's own receiver.
    PublicAndLoopback,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::PublicAndLoopback && address.to_canonical().is_loopback())
    }
}

/// Checks what can be checked before names are resolved: hosts that are addresses themselves
/// never reach the resolver.
pub(super) fn check_url(url: &str, reach: Reach) -> Result<reqwest::Url, Refused> {
    let url = reqwest::Url::parse(url).map_err(|_| Refused::NotHttp)?;
    let host = url.host_str().ok_or(Refused::NotHttp)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::NotHttp);
    }
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if !reach.allows(address) => Err(Refused::NotPublic),
        _ => Ok(url),
    }
}

/// Resolves names and refuses those of which any address is not allowed.
pub(super) struct CheckedResolver {
    pub(super) lookup: Lookup,
    pub(super) reach: Reach,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let reach = self.reach;
        Box::pin(async move {
            let addresses = found.await?;
            if !addresses.iter().all(|address| reach.allows(*address)) {
                return Err(Refused::NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

/// Whether an address belongs to the public internet. What is not known to be public is not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Carriers' shared space, protocol assignments, benchmarking, 6to4 relays.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19))
        || (a, b, c) == (192, 88, 99);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global_unicast = first & 0xe000 == 0x2000;
    // Teredo and 6to4 carry other addresses within; documentation has no hosts.
    let wraps_another = (first, second) == (0x2001, 0) || first == 0x2002;
    let documentation = (first, second) == (0x2001, 0xdb8) || first == 0x3fff;
    global_unicast && !wraps_another && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
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
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_checked_however_it_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "https://[::1]/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert_eq!(check_url(url, Reach::Public), Err(Refused::NotPublic), "{url}");
        }
        for url in ["ftp://example.com/", "nonsense", "data:text/plain,x"] {
            assert_eq!(check_url(url, Reach::Public), Err(Refused::NotHttp), "{url}");
        }
        assert!(check_url("https://hooks.example.com/in", Reach::Public).is_ok());
    }

    #[test]
    fn local_mode_opens_loopback_and_nothing_else() {
        assert!(check_url("http://127.0.0.1:9/", Reach::PublicAndLoopback).is_ok());
        assert_eq!(check_url("http://169.254.169.254/", Reach::PublicAndLoopback), Err(Refused::NotPublic));
        assert_eq!(check_url("http://10.0.0.1/", Reach::PublicAndLoopback), Err(Refused::NotPublic));
    }

    #[tokio::test]
    async fn a_name_with_one_private_address_among_public_ones_is_refused() {
        let lookup: Lookup = Arc::new(|_| {
            Box::pin(async { Ok(vec!["93.184.216.34".parse().unwrap(), "10.0.0.1".parse().unwrap()]) })
        });
        let resolver = CheckedResolver { lookup, reach: Reach::Public };
        let refused = resolver.resolve("rebind.example".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.downcast_ref(), Some(&Refused::NotPublic));
    }
}
