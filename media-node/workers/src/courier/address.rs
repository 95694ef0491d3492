//! Keeps webhooks within their reach when a name is resolved.
//!
//! Which addresses are within it, `talkif_rules::target` says. Names are resolved here and the
//! connection is made to exactly the addresses that were checked: a name that resolves to a
//! public address for the check and to a private one for the connection gains nothing. Redirects
//! are not followed at all.

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use talkif_rules::target::Reach;

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

/// Checks what can be checked before names are resolved: hosts that are addresses themselves
/// never reach the resolver.
pub(super) fn check_url(url: &str, reach: Reach) -> Result<reqwest::Url, Refused> {
    let url = reqwest::Url::parse(url).map_err(|_| Refused::NotHttp)?;
    let host = url.host_str().ok_or(Refused::NotHttp)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::NotHttp);
    }
    if reach.allows_host(host) { Ok(url) } else { Err(Refused::NotPublic) }
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

#[cfg(test)]
mod tests {
    use super::*;

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
