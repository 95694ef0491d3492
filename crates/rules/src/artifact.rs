//! Signed addresses of transcripts and recordings.
//!
//! An address works for everybody who holds it until it expires, so that a webhook's receiver
//! needs no key of ours: `{base}/t/{call_id}?exp=<unix>&sig=<hex>` for the transcript, `/r/` for
//! the recording. The signature covers the kind, the call and the expiry. Whether the artifact
//! still exists is not known here.

use crate::signature::hmac_sha256;
use subtle::ConstantTimeEq as _;
use talkif_model::CallId;

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The transcript, JSON.
    Transcript,
    /// The recording, audio.
    Recording,
}

impl Kind {
    /// The first part of the path: `t` or `r`.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Transcript => "t",
            Self::Recording => "r",
        }
    }
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Its time is over.
    #[error("the address has expired")]
    Expired,
    /// It was not signed by us for this call.
    #[error("the address is not signed")]
    BadSignature,
}

/// The signature of an address that expires at `exp` (Unix seconds), in hex.
#[must_use]
pub fn sign(key: &[u8], kind: Kind, call_id: CallId, exp: i64) -> String {
    hex::encode(mac(key, kind, call_id, exp))
}

/// The whole address under `base`, which is written without a closing slash.
#[must_use]
pub fn url(base: &str, key: &[u8], kind: Kind, call_id: CallId, exp: i64) -> String {
    let (base, segment) = (base.trim_end_matches('/'), kind.segment());
    format!("{base}/{segment}/{call_id}?exp={exp}&sig={}", sign(key, kind, call_id, exp))
}

/// Checks what came in an address, at `now` (Unix seconds).
///
/// # Errors
/// [`ArtifactError`]. A forged expiry reads as a bad signature, not as expired.
pub fn verify(
    key: &[u8],
    kind: Kind,
    call_id: CallId,
    exp: i64,
    sig: &str,
    now: i64,
) -> Result<(), ArtifactError> {
    let given = hex::decode(sig).map_err(|_| ArtifactError::BadSignature)?;
    if !bool::from(mac(key, kind, call_id, exp).as_slice().ct_eq(&given)) {
        return Err(ArtifactError::BadSignature);
    }
    if now >= exp { Err(ArtifactError::Expired) } else { Ok(()) }
}

fn mac(key: &[u8], kind: Kind, call_id: CallId, exp: i64) -> [u8; 32] {
    hmac_sha256(key, &[format!("{}/{call_id}/{exp}", kind.segment()).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[5; 32];

    fn call(n: u8) -> CallId {
        CallId::new(1_790_000_000_000, [n; 10])
    }

    #[test]
    fn an_address_works_until_it_expires() {
        let sig = sign(KEY, Kind::Transcript, call(1), 100);
        assert_eq!(verify(KEY, Kind::Transcript, call(1), 100, &sig, 99), Ok(()));
        assert_eq!(verify(KEY, Kind::Transcript, call(1), 100, &sig, 100), Err(ArtifactError::Expired));
    }

    #[test]
    fn nothing_of_an_address_can_be_changed() {
        let sig = sign(KEY, Kind::Transcript, call(1), 100);
        let bad = Err(ArtifactError::BadSignature);
        assert_eq!(verify(KEY, Kind::Recording, call(1), 100, &sig, 0), bad);
        assert_eq!(verify(KEY, Kind::Transcript, call(2), 100, &sig, 0), bad);
        assert_eq!(verify(KEY, Kind::Transcript, call(1), 101, &sig, 0), bad);
        assert_eq!(verify(&[6; 32], Kind::Transcript, call(1), 100, &sig, 0), bad);
        for sig in ["", "zz", "00"] {
            assert_eq!(verify(KEY, Kind::Transcript, call(1), 100, sig, 0), bad, "{sig}");
        }
    }

    #[test]
    fn the_url_carries_what_verify_asks_for() {
        let url = url("https://artifacts.example/", KEY, Kind::Recording, call(1), 100);
        let (call, sig) = (call(1), sign(KEY, Kind::Recording, call(1), 100));
        assert_eq!(url, format!("https://artifacts.example/r/{call}?exp=100&sig={sig}"));
    }
}
