//! The request as the guest sees it: its full address, and the headers Spin adds.

use crate::routes::Match;
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, request};
use std::net::SocketAddr;

/// Headers with this prefix come from the host alone.
const PREFIX: &str = "spin-";

/// Turns the head of a request from `client` into what the component of `found` receives.
/// `local` stands for the host where the client named none.
pub(crate) fn prepare<T>(head: &mut request::Parts, found: &Match<'_, T>, client: SocketAddr, local: &str) {
    let host = authority(head, local);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let full_url = format!("http://{host}{path}");
    if let Ok(uri) = full_url.parse::<Uri>() {
        head.uri = uri;
    }
    strip(&mut head.headers);
    let plain = [
        ("spin-full-url", full_url.as_str()),
        ("spin-path-info", found.rest.as_str()),
        ("spin-matched-route", found.route.pattern()),
        ("spin-base-path", "/"),
        ("spin-raw-component-route", found.route.pattern()),
        ("spin-component-route", found.route.prefix()),
        ("spin-client-addr", &client.to_string()),
    ];
    for (name, value) in plain {
        add(&mut head.headers, name, value);
    }
    for (name, value) in &found.parameters {
        add(&mut head.headers, &format!("spin-path-match-{}", name.to_ascii_lowercase()), value);
    }
}

fn authority(head: &request::Parts, local: &str) -> String {
    let named = head.uri.authority().map(|authority| authority.to_string());
    let header = || head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    named.or_else(header).unwrap_or_else(|| local.to_owned())
}

/// Drops what concerns only the connection, and what a client must not claim.
fn strip(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    let claimed: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
}

/// A value that no header can carry is left out, as in Spin.
fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{Route, Routes};

    fn prepared(pattern: &str, uri: &str) -> request::Parts {
        let routes = Routes::new(vec![(Route::parse(pattern).unwrap(), ())]).unwrap();
        let request = http::Request::get(uri)
            .header("host", "api.example:8080")
            .header("connection", "keep-alive")
            .header("spin-client-addr", "1.2.3.4:5")
            .body(())
            .unwrap();
        let (mut head, ()) = request.into_parts();
        let path = head.uri.path().to_owned();
        prepare(&mut head, &routes.find(&path).unwrap(), "127.0.0.1:8777".parse().unwrap(), "local:1");
        head
    }

    #[test]
    fn the_headers_are_those_of_spin() {
        let head = prepared("/foo/:userid/...", "/foo/42/bar?key=value");
        let expected = [
            ("spin-full-url", "http://api.example:8080/foo/42/bar?key=value"),
            ("spin-path-info", "/bar"),
            ("spin-matched-route", "/foo/:userid/..."),
            ("spin-base-path", "/"),
            ("spin-raw-component-route", "/foo/:userid/..."),
            ("spin-component-route", "/foo/:userid"),
            ("spin-client-addr", "127.0.0.1:8777"),
            ("spin-path-match-userid", "42"),
            ("host", "api.example:8080"),
        ];
        for (name, value) in expected {
            assert_eq!(head.headers.get(name).unwrap(), value, "{name}");
        }
        assert_eq!(head.headers.len(), expected.len());
    }

    #[test]
    fn the_address_is_complete() {
        assert_eq!(prepared("/...", "/a?b=c").uri, "http://api.example:8080/a?b=c");
    }
}
