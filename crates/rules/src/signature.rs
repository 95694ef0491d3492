//! Signing webhooks, and checking signatures as a receiver does.
//!
//! Every delivery carries two signatures over the same body, so that a receiver can use either
//! a Standard Webhooks library (`webhook-id`, `webhook-timestamp`, `webhook-signature`) or the
//! product's own header (`Talkif-Signature`). Both are HMAC-SHA256; they differ in what they
//! sign and in how the secret becomes a key:
//!
//! | header | signed text | key |
//! |---|---|---|
//! | `webhook-signature` | `id.timestamp.body` | the bytes behind `whsec_`, base64 decoded |
//! | `Talkif-Signature` | `timestamp.body` | the secret as it stands, prefix included |
//!
//! While a secret rotates, pass the new and the old one: each header then carries both
//! signatures, and a receiver that knows one of them is content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What a secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";

/// How far a timestamp may lie from the receiver's clock, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// The values of the four headers of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// `webhook-id`.
    pub webhook_id: String,
    /// `webhook-timestamp`, Unix seconds.
    pub webhook_timestamp: String,
    /// `webhook-signature`: `v1,<base64>`, one per secret, separated by spaces.
    pub webhook_signature: String,
    /// `Talkif-Signature`: `t=<unix>,v1=<hex>`, one `v1` per secret.
    pub talkif_signature: String,
}

/// Why a delivery is not signed, or its signature not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A secret is not `whsec_` and base64.
    #[error("a webhook secret is `whsec_` and base64")]
    BadSecret,
    /// The header does not have its form.
    #[error("the signature header is malformed")]
    Malformed,
    /// The timestamp is too old or too far in the future.
    #[error("the signature's timestamp is more than five minutes off")]
    Stale,
    /// No signature fits any of the secrets.
    #[error("no signature fits")]
    Mismatch,
}

/// A new secret from 32 random bytes.
#[must_use]
pub fn new_secret(random: [u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(random))
}

/// Signs `body` under every one of `secrets`, the newest first.
///
/// # Errors
/// [`SignatureError::BadSecret`].
pub fn sign(
    secrets: &[&str],
    event_id: &str,
    unix_seconds: i64,
    body: &[u8],
) -> Result<Signatures, SignatureError> {
    let mut standard = Vec::new();
    let mut talkif = format!("t={unix_seconds}");
    for secret in secrets {
        let mac = standard_mac(secret, event_id, unix_seconds, body)?;
        standard.push(format!("v1,{}", STANDARD.encode(mac)));
        talkif.push_str(",v1=");
        talkif.push_str(&hex::encode(talkif_mac(secret, unix_seconds, body)));
    }
    Ok(Signatures {
        webhook_id: event_id.to_owned(),
        webhook_timestamp: unix_seconds.to_string(),
        webhook_signature: standard.join(" "),
        talkif_signature: talkif,
    })
}

/// Checks a `Talkif-Signature` header at `now` (Unix seconds).
///
/// # Errors
/// [`SignatureError`], except `BadSecret`: this form takes any secret.
pub fn verify_talkif(secrets: &[&str], header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let mut timestamp = None;
    let mut given = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=').ok_or(SignatureError::Malformed)? {
            ("t", value) => timestamp = value.parse::<i64>().ok(),
            ("v1", value) => given.extend(hex::decode(value)),
            // A later version of the header may carry more.
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(SignatureError::Malformed)?;
    check_time(timestamp, now)?;
    let expected: Vec<_> = secrets.iter().map(|secret| talkif_mac(secret, timestamp, body)).collect();
    check_any(&expected, &given)
}

/// Checks the three Standard Webhooks headers at `now` (Unix seconds).
///
/// # Errors
/// [`SignatureError`].
pub fn verify_standard(
    secrets: &[&str],
    headers: StandardHeaders<'_>,
    body: &[u8],
    now: i64,
) -> Result<(), SignatureError> {
    let timestamp = headers.timestamp.parse().map_err(|_| SignatureError::Malformed)?;
    check_time(timestamp, now)?;
    let given: Vec<_> = headers
        .signature
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|text| STANDARD.decode(text).ok())
        .collect();
    let expected = secrets
        .iter()
        .map(|secret| standard_mac(secret, headers.id, timestamp, body))
        .collect::<Result<Vec<_>, _>>()?;
    check_any(&expected, &given)
}

/// What a receiver found in the Standard Webhooks headers.
#[derive(Debug, Clone, Copy)]
pub struct StandardHeaders<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

fn standard_mac(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Result<[u8; 32], SignatureError> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or(SignatureError::BadSecret)?;
    let key = STANDARD.decode(encoded).map_err(|_| SignatureError::BadSecret)?;
    Ok(hmac_sha256(&key, &[id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body]))
}

fn talkif_mac(secret: &str, timestamp: i64, body: &[u8]) -> [u8; 32] {
    hmac_sha256(secret.as_bytes(), &[timestamp.to_string().as_bytes(), b".", body])
}

/// HMAC-SHA256 over the parts as if they were one text.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of every length"),
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn check_time(timestamp: i64, now: i64) -> Result<(), SignatureError> {
    if now.saturating_sub(timestamp).saturating_abs() > TOLERANCE_S {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// Compares every pair in constant time; which pair fits is no secret.
fn check_any(expected: &[[u8; 32]], given: &[Vec<u8>]) -> Result<(), SignatureError> {
    let fits = |mac: &[u8; 32]| given.iter().any(|one| bool::from(mac.as_slice().ct_eq(one)));
    if expected.iter().any(fits) { Ok(()) } else { Err(SignatureError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;
    const BODY: &[u8] = br#"{"event":"outcome.booked"}"#;

    fn secret(byte: u8) -> String {
        new_secret([byte; 32])
    }

    fn standard(signatures: &Signatures) -> StandardHeaders<'_> {
        StandardHeaders {
            id: &signatures.webhook_id,
            timestamp: &signatures.webhook_timestamp,
            signature: &signatures.webhook_signature,
        }
    }

    #[test]
    fn both_signatures_are_believed_by_a_receiver() {
        let secret = secret(7);
        let signed = sign(&[&secret], "evt_1", NOW, BODY).unwrap();
        assert_eq!(verify_talkif(&[&secret], &signed.talkif_signature, BODY, NOW + 299), Ok(()));
        assert_eq!(verify_standard(&[&secret], standard(&signed), BODY, NOW - 299), Ok(()));
    }

    #[test]
    fn a_known_signature_never_changes() {
        let signed = sign(&["whsec_AAAA"], "evt_1", 1, b"{}").unwrap();
        let expected = hmac_sha256(b"whsec_AAAA", &[b"1.{}"]);
        assert_eq!(signed.talkif_signature, format!("t=1,v1={}", hex::encode(expected)));
        let expected = hmac_sha256(&[0, 0, 0], &[b"evt_1.1.{}"]);
        assert_eq!(signed.webhook_signature, format!("v1,{}", STANDARD.encode(expected)));
    }

    #[test]
    fn the_hmac_is_the_one_of_rfc_4231() {
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn the_standard_webhooks_library_believes_our_signature() {
        // That library reads the clock itself, hence the only use of it in this crate.
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let secret = secret(9);
        let signed = sign(&[&secret], "evt_1", unix.as_secs().try_into().unwrap(), BODY).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", signed.webhook_id.parse().unwrap());
        headers.insert("webhook-timestamp", signed.webhook_timestamp.parse().unwrap());
        headers.insert("webhook-signature", signed.webhook_signature.parse().unwrap());
        let library = standardwebhooks::Webhook::new(&secret).unwrap();
        library.verify(BODY, &headers).unwrap();
        assert!(library.verify(b"{}", &headers).is_err());
    }

    #[test]
    fn while_secrets_rotate_either_one_verifies() {
        let (new, old) = (secret(1), secret(2));
        let signed = sign(&[&new, &old], "evt_1", NOW, BODY).unwrap();
        for known in [&new, &old] {
            assert_eq!(verify_talkif(&[known], &signed.talkif_signature, BODY, NOW), Ok(()));
            assert_eq!(verify_standard(&[known], standard(&signed), BODY, NOW), Ok(()));
        }
        let stranger = secret(3);
        assert_eq!(
            verify_talkif(&[&stranger], &signed.talkif_signature, BODY, NOW),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn what_was_changed_or_is_old_is_not_believed() {
        let secret = secret(7);
        let signed = sign(&[&secret], "evt_1", NOW, BODY).unwrap();
        let talkif = |body, now| verify_talkif(&[&secret], &signed.talkif_signature, body, now);
        assert_eq!(talkif(b"{}", NOW), Err(SignatureError::Mismatch));
        assert_eq!(talkif(BODY, NOW + 301), Err(SignatureError::Stale));
        assert_eq!(talkif(BODY, NOW - 301), Err(SignatureError::Stale));
        let other_id = StandardHeaders { id: "evt_2", ..standard(&signed) };
        assert_eq!(verify_standard(&[&secret], other_id, BODY, NOW), Err(SignatureError::Mismatch));
    }

    #[test]
    fn malformed_headers_are_errors() {
        for header in ["", "t", "v1=00", "t=soon,v1=00"] {
            assert_eq!(verify_talkif(&["s"], header, BODY, NOW), Err(SignatureError::Malformed), "{header}");
        }
        let extreme = format!("t={},v1=00", i64::MIN);
        assert_eq!(verify_talkif(&["s"], &extreme, BODY, NOW), Err(SignatureError::Stale));
        assert_eq!(sign(&["plain"], "evt_1", NOW, BODY), Err(SignatureError::BadSecret));
    }
}
