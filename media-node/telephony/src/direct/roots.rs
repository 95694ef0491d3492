//! The system's root certificates, for TLS trunks.

use std::path::PathBuf;

/// Where systems keep them; `SSL_CERT_FILE` comes first, as with OpenSSL.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The bundle in PEM. Without one every TLS trunk is refused, because nothing can be verified.
pub(super) fn of_the_system() -> Option<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let bundles = named.into_iter().chain(BUNDLES.map(PathBuf::from));
    bundles.into_iter().find_map(|bundle| std::fs::read(bundle).ok())
}
