//! `allowed_outbound_hosts`: where a component may connect to.
//!
//! A pattern is `scheme://host:port`; each part may be `*`. A host is a name, an address, a
//! subnet, or `*.domain`; a port is a number, a range `from..to` without its end, or absent for
//! the scheme's usual one. Names are compared as written: `localhost` is not `127.0.0.1`.

use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;
use url::{Host, Url};

/// The patterns of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundHosts(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    scheme: Option<String>,
    host: HostPattern,
    ports: Option<Range<u32>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    Subdomain(String),
    Network(IpNet),
    Exactly(Host),
    /// Requests of an application to itself, which this host does not route.
    Myself,
}

/// Why a pattern was refused. It does not repeat the pattern, which may hold the value of a
/// secret variable by mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct HostPatternError {
    /// Which of the patterns, counted from 0.
    pub index: usize,
    reason: &'static str,
}

impl OutboundHosts {
    /// Parses patterns whose variables have been filled in. Empty ones are skipped: a variable
    /// may be empty where an address is optional.
    ///
    /// # Errors
    /// When one is not of the form described above.
    pub fn parse(patterns: &[String]) -> Result<OutboundHosts, HostPatternError> {
        let given = patterns.iter().map(|pattern| pattern.trim()).enumerate();
        let parsed = given.filter(|(_, pattern)| !matches!(*pattern, "" | "http://" | "https://")).map(
            |(index, pattern)| Pattern::parse(pattern).map_err(|reason| HostPatternError { index, reason }),
        );
        parsed.collect::<Result<_, _>>().map(OutboundHosts)
    }

    /// Whether a connection of `scheme` to `host` may be made. Without a `port` the scheme's
    /// usual one is meant.
    pub fn allow(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let Some(host) = parse_host(host) else { return false };
        let port = port.or_else(|| usual_port(scheme));
        self.0.iter().any(|pattern| pattern.matches(scheme, &host, port))
    }

    /// Whether the address `url` may be connected to; `scheme` is assumed where it has none.
    pub fn allow_url(&self, url: &str, scheme: &str) -> bool {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let Some(url) = parsed.or_else(|| Url::parse(&format!("{scheme}://{url}")).ok()) else {
            return false;
        };
        url.host_str().is_some_and(|host| self.allow(url.scheme(), host, url.port()))
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Pattern, &'static str> {
        let (scheme, rest) = pattern.split_once("://").ok_or("has no scheme")?;
        if scheme != "*" && !scheme.chars().all(char::is_alphabetic) {
            return Err("has a scheme that is neither a word nor *");
        }
        let (host, port) = split_port(rest);
        Ok(Pattern {
            scheme: (scheme != "*").then(|| scheme.to_owned()),
            host: HostPattern::parse(host)?,
            ports: parse_ports(port, scheme)?,
        })
    }

    fn matches(&self, scheme: &str, host: &Host, port: Option<u16>) -> bool {
        self.scheme.as_ref().is_none_or(|own| own == scheme)
            && self.host.matches(host)
            && self.ports.as_ref().is_none_or(|own| port.is_some_and(|port| own.contains(&port.into())))
    }
}

/// Splits at the last colon, unless it belongs to an address of version 6.
fn split_port(rest: &str) -> (&str, &str) {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && rest.parse::<IpNet>().is_err() => (host, port),
        _ => (rest, ""),
    }
}

fn parse_ports(port: &str, scheme: &str) -> Result<Option<Range<u32>>, &'static str> {
    let number =
        |text: &str| text.parse::<u16>().map(u32::from).map_err(|_| "has a port that is not a number");
    match (port, port.split_once("..")) {
        ("*", _) => Ok(None),
        ("", _) => {
            let usual = usual_port(scheme).ok_or("has no port, and its scheme has no usual one")?;
            Ok(Some(usual.into()..u32::from(usual) + 1))
        }
        (_, Some((from, to))) => Ok(Some(number(from)?..number(to)?)),
        (port, None) => number(port).map(|port| Some(port..port + 1)),
    }
}

impl HostPattern {
    fn parse(host: &str) -> Result<HostPattern, &'static str> {
        if let Ok(network) = host.parse::<IpNet>() {
            return Ok(HostPattern::Network(network.trunc()));
        }
        match host {
            "*" => Ok(HostPattern::Any),
            "self" | "self.alt" => Ok(HostPattern::Myself),
            _ if host.contains(['/', '@']) => Err("has more than scheme, host and port"),
            _ => match host.strip_prefix("*.") {
                Some(domain) => Ok(HostPattern::Subdomain(format!(".{}", exact(domain)?))),
                None => exact(host).map(HostPattern::Exactly),
            },
        }
    }

    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Any, _) => true,
            (HostPattern::Subdomain(suffix), Host::Domain(name)) => name.ends_with(suffix),
            (HostPattern::Network(network), Host::Ipv4(address)) => network.contains(&IpAddr::V4(*address)),
            (HostPattern::Network(network), Host::Ipv6(address)) => network.contains(&IpAddr::V6(*address)),
            (HostPattern::Exactly(own), host) => own == host,
            (HostPattern::Subdomain(_) | HostPattern::Network(_) | HostPattern::Myself, _) => false,
        }
    }
}

fn exact(host: &str) -> Result<Host, &'static str> {
    if host.contains('*') {
        return Err("has a * that does not stand for a whole host or subdomain");
    }
    Host::parse(host).map_err(|_| "has no valid host")
}

/// A host as an address or a client names it: addresses of version 6 come with brackets or without.
fn parse_host(host: &str) -> Option<Host> {
    host.parse().map(Host::Ipv6).ok().or_else(|| Host::parse(host).ok())
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        "redis" | "rediss" => Some(6379),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, url: &str) -> bool {
        OutboundHosts::parse(&[pattern.to_owned()]).unwrap().allow_url(url, "redis")
    }

    #[test]
    fn patterns_match_part_by_part() {
        let cases = [
            ("postgres://127.0.0.1:5432", "postgres://u:p@127.0.0.1:5432/db", true),
            ("postgres://127.0.0.1:5432", "postgres://localhost:5432/db", false),
            ("postgres://127.0.0.1:5432", "postgres://127.0.0.1:5433/db", false),
            ("postgres://127.0.0.1", "postgres://127.0.0.1/db", true),
            ("redis://db:6379", "db:6379", true),
            ("redis://db:*", "redis://db:1", true),
            ("http://*.example.com", "http://api.example.com", true),
            ("http://*.example.com", "http://example.com", false),
            ("http://*:80", "https://example.com", false),
            ("*://*:*", "http://10.0.0.1:9", true),
            ("http://10.0.0.0/8:8000..8010", "http://10.1.2.3:8009", true),
            ("http://10.0.0.0/8:8000..8010", "http://10.1.2.3:8010", false),
            ("http://[::1]:80", "http://[::1]:80", true),
            ("redis://[::1]:6379", "redis://[0:0::1]:6379/3", true),
            ("redis://[::1]:6379", "redis://[::2]:6379", false),
            ("rediss://db", "rediss://db:6379", true),
            ("redis://db", "rediss://db:6379", false),
            ("http://self", "http://self", false),
        ];
        for (pattern, url, expected) in cases {
            assert_eq!(allows(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn nothing_is_allowed_without_patterns() {
        assert!(!OutboundHosts::default().allow("http", "example.com", None));
        assert_eq!(OutboundHosts::parse(&[String::new()]), Ok(OutboundHosts::default()));
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in
            ["*", "db:5432", "mqtt://db", "http://db:x", "http://db/path", "http://a.*.b", "p!://db:1"]
        {
            assert!(OutboundHosts::parse(&[pattern.to_owned()]).is_err(), "{pattern}");
        }
    }
}
