//! Where webhooks may go, as far as an address says it. Names are resolved, and judged again,
//! at every delivery; by which rules is `talkif_rules::target`'s business.

use http::Uri;
use talkif_rules::target::Reach;

/// Longest URL.
const MAX_LENGTH: usize = 2_000;

/// Checks an endpoint's URL; the error is a sentence for the caller. In `local_mode` plain HTTP
/// and loopback are allowed.
pub(super) fn check(url: &str, local_mode: bool) -> Result<(), &'static str> {
    if url.len() > MAX_LENGTH {
        return Err("It must be at most 2000 characters");
    }
    let uri: Uri = url.parse().map_err(|_| "It must be an absolute URL")?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("It must be an absolute URL")?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("It must not contain a user or a password");
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if local_mode => {}
        _ => return Err("It must begin with https://"),
    }
    if !Reach::of(local_mode).allows_host(host) {
        return Err("It must not lead to a private address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_addresses_are_taken() {
        for url in
            ["https://hooks.example.com/talkif", "https://93.184.216.34/x", "https://example.com:8443/"]
        {
            assert_eq!(check(url, false), Ok(()), "{url}");
        }
    }

    #[test]
    fn private_and_disguised_addresses_are_refused() {
        for url in [
            "https://127.0.0.1/x",
            "https://10.1.2.3/x",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/x",
            "https://db.internal/x",
            "https://printer.local/",
            "https://intranet/",
            "https://0x7f000001/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[2002:7f00:1::]/",
            "https://[64:ff9b::a00:1]/",
            "https://127.1/",
            "https://2130706433/",
            "https://LOCALHOST./",
        ] {
            assert!(check(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn only_https_without_credentials_is_taken() {
        for url in
            ["http://example.com/", "ftp://example.com/", "/hooks", "https://u:p@example.com/", "https://"]
        {
            assert!(check(url, false).is_err(), "{url}");
        }
    }

    #[test]
    fn a_developers_machine_may_be_its_own_receiver() {
        assert_eq!(check("http://127.0.0.1:4040/hooks", true), Ok(()));
        assert!(check("http://10.0.0.1/hooks", true).is_err(), "the courier would not go there either");
    }
}
