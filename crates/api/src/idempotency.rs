//! Idempotency keys: the same request twice has one effect and one answer.

use crate::http::{Incoming, Reply};
use http::StatusCode;
use sha2::{Digest, Sha256};
use talkif_problem::{Code, Problem};

/// Longest key.
const MAX_LENGTH: usize = 255;

/// A request's idempotency key and the digest of its body.
pub(crate) struct Idempotency {
    /// `None`: the request has no key.
    pub(crate) key: Option<String>,
    /// SHA-256 of the body.
    pub(crate) body_sha256: [u8; 32],
}

impl Idempotency {
    /// Reads `Idempotency-Key`: 1 to 255 visible ASCII characters.
    pub(crate) fn of(request: &Incoming) -> Result<Self, Problem> {
        let body_sha256 = Sha256::digest(request.body()).into();
        let Some(value) = request.headers().get("idempotency-key") else {
            return Ok(Self { key: None, body_sha256 });
        };
        let key = value.to_str().ok().filter(|key| (1..=MAX_LENGTH).contains(&key.len()));
        let key = key.ok_or_else(|| {
            let detail = format!("`Idempotency-Key` must be 1 to {MAX_LENGTH} ASCII characters");
            Problem::new(Code::BadRequest, detail)
        })?;
        Ok(Self { key: Some(key.to_owned()), body_sha256 })
    }

    /// The stored answer, if it was given to the same body.
    pub(crate) fn replay(&self, body_sha256: &str, status: u16, response: String) -> Result<Reply, Problem> {
        if body_sha256 != hex::encode(self.body_sha256) {
            let detail = "This idempotency key was used with another body in the last 24 hours";
            return Err(Problem::new(Code::Conflict, detail));
        }
        let status = StatusCode::from_u16(status).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Reply { status, body: response, replayed: true })
    }
}
