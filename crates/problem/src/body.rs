//! The error body and how it is rendered.

use crate::{Code, FieldError};
use http::{HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value};
use utoipa::ToSchema;

const RETRY_AFTER_KEY: &str = "retryAfterSecs";

/// What went wrong, for the client and for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The code; it decides the status.
    pub code: Code,
    /// A sentence for the caller. Never a datum about a person, never a vendor's words.
    pub detail: String,
    /// Field by field, where fields are to blame.
    pub errors: Vec<FieldError>,
    /// Facts a client can use, such as `retryAfterSecs`.
    pub meta: Map<String, Value>,
    /// The inside story, for the log only.
    pub inside: Option<String>,
}

impl Problem {
    /// A problem with a sentence for the caller.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), meta: Map::new(), inside: None }
    }

    /// Fields of the request are wrong.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(Code::ValidationFailed, "Request contains invalid fields") }
    }

    /// A fault of ours: the caller learns only that there was one, `inside` goes to the log.
    #[must_use]
    pub fn internal(inside: impl Into<String>) -> Self {
        let problem = Self::new(Code::InternalError, "Something went wrong on our side");
        Self { inside: Some(inside.into()), ..problem }
    }

    /// Something behind the API is away; the caller should come back in `seconds`.
    #[must_use]
    pub fn unavailable(inside: impl Into<String>, seconds: u64) -> Self {
        let detail = "The service is unavailable for a moment; try again";
        let problem = Self::new(Code::ServiceUnavailable, detail).retry_after(seconds);
        Self { inside: Some(inside.into()), ..problem }
    }

    /// Adds a field error.
    #[must_use]
    pub fn with_field(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Adds a fact to `meta`.
    #[must_use]
    pub fn with_meta(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// Says when to come back: `meta.retryAfterSecs` and the `Retry-After` header.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_meta(RETRY_AFTER_KEY, seconds)
    }

    /// The body, for the request with this id.
    #[must_use]
    pub fn body(&self, request_id: &str) -> ProblemBody {
        ProblemBody {
            code: self.code.as_str(),
            title: self.code.title(),
            status: self.code.status_number(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            meta: self.meta.clone(),
        }
    }

    /// The whole response, with `X-Request-Id`, and `Retry-After` where it applies.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Response<String> {
        // A map of strings and numbers always serialises.
        let text = serde_json::to_string(&self.body(request_id)).unwrap_or_default();
        let mut response = Response::new(text);
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        if let Some(seconds) = self.meta.get(RETRY_AFTER_KEY).and_then(Value::as_u64) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The error body of every route.
#[derive(Debug, Clone, PartialEq, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// Stable, machine-readable; see `GET /api/v1/errors`.
    #[schema(value_type = String, example = "validation_failed")]
    pub code: &'static str,
    /// The code in words.
    #[schema(value_type = String, example = "Validation Failed")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// Name it to support; also in `X-Request-Id`.
    pub request_id: String,
    /// Field by field, where fields are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// Facts a client can use, such as `retryAfterSecs`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(required = false, value_type = Object)]
    pub meta: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldCode;
    use serde_json::json;

    #[test]
    fn a_validation_problem_has_the_documented_body() {
        let error =
            FieldError::new("toNumber", FieldCode::InvalidFormat, "Phone number must be in E.164 format");
        let body = serde_json::to_value(Problem::fields(vec![error]).body("01234567")).unwrap();
        let expected = json!({
            "code": "validation_failed",
            "title": "Validation Failed",
            "status": 400,
            "detail": "Request contains invalid fields",
            "requestId": "01234567",
            "errors": [{
                "field": "toNumber",
                "code": "invalid_format",
                "message": "Phone number must be in E.164 format"
            }]
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_inside_story_never_leaves() {
        let response = Problem::internal("relation \"leads\" does not exist").into_response("r1");
        assert_eq!(response.status(), 500);
        assert!(!response.body().contains("relation"));
    }

    #[test]
    fn a_wait_is_in_the_header_and_in_the_body() {
        let response = Problem::new(Code::RateLimitExceeded, "slow down").retry_after(7).into_response("r1");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["x-request-id"], "r1");
        assert!(response.body().contains(r#""meta":{"retryAfterSecs":7}"#));
    }
}
