use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use talkif_problem::Problem;

/// A successful answer: status and JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 2xx.
    pub status: StatusCode,
    /// JSON, or empty with 204.
    pub body: String,
    /// A stored answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl Reply {
    /// `value` as JSON.
    ///
    /// # Errors
    /// An internal problem if `value` cannot be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(value).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self { status, body, replayed: false })
    }

    /// 200 with `value`.
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn ok(value: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, value)
    }

    /// 204 without a body.
    #[must_use]
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: String::new(), replayed: false }
    }

    pub(crate) fn into_response(self) -> Response<String> {
        let has_body = !self.body.is_empty();
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        if has_body {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if self.replayed {
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
