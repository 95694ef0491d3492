//! What the host answers itself, as problem details (RFC 9457).

use super::respond::Answer;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use std::hash::{BuildHasher, Hasher, RandomState};
use wasmtime_wasi_http::Error;

/// Seconds after which a busy host may be asked again.
const RETRY_SECONDS: u64 = 1;

/// Why a request gets no answer from its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not say for which host it is, or for two.
    Host,
    /// No route leads anywhere.
    NoRoute,
    /// The body did not come in time.
    BodyTooSlow,
    /// The body is too long.
    BodyTooLong,
    /// Too many requests are in progress.
    Busy,
    /// The component failed.
    Failed,
    /// The component took too long.
    TookTooLong,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::Host => StatusCode::BAD_REQUEST,
            Refusal::NoRoute => StatusCode::NOT_FOUND,
            Refusal::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::TookTooLong => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A stable code, a title, and a sentence for people.
    fn words(self) -> [&'static str; 3] {
        match self {
            Refusal::Host => ["bad_request", "Bad Request", "The request must name its host once"],
            Refusal::NoRoute => ["not_found", "Not Found", "There is no such route"],
            Refusal::BodyTooSlow => {
                ["request_timeout", "Request Timeout", "The request's body did not come in time"]
            }
            Refusal::BodyTooLong => ["payload_too_large", "Payload Too Large", "The body is too large"],
            Refusal::Busy => {
                ["service_unavailable", "Service Unavailable", "Too many requests at the moment; try again"]
            }
            Refusal::Failed => ["internal_error", "Internal Error", "Something went wrong on our side"],
            Refusal::TookTooLong => [
                "gateway_timeout",
                "Gateway Timeout",
                "The request took too long; it may have had its effect",
            ],
        }
    }

    /// The answer to the request called `request_id`.
    pub(super) fn answer(self, request_id: &str) -> Answer {
        let [code, title, detail] = self.words();
        let status = self.status();
        let mut body = serde_json::json!({
            "code": code, "title": title, "status": status.as_u16(), "detail": detail, "requestId": request_id
        });
        if self == Refusal::Busy {
            body["meta"] = serde_json::json!({ "retryAfterSecs": RETRY_SECONDS });
        }
        let body = Full::from(body.to_string()).map_err(Error::from).boxed_unsync();
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", id);
        }
        if self == Refusal::Busy {
            headers.insert(RETRY_AFTER, RETRY_SECONDS.into());
        }
        answer
    }
}

/// The client's own `x-request-id` if it is harmless, or a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(harmless);
    // Each `RandomState` has random keys of its own.
    given.map_or_else(|| format!("host-{:016x}", RandomState::new().build_hasher().finish()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talkif_problem::Code;

    const ALL: [Refusal; 7] = [
        Refusal::Host,
        Refusal::NoRoute,
        Refusal::BodyTooSlow,
        Refusal::BodyTooLong,
        Refusal::Busy,
        Refusal::Failed,
        Refusal::TookTooLong,
    ];

    #[test]
    fn the_codes_are_those_of_the_components_on_this_host() {
        for refusal in ALL {
            let [word, title, _] = refusal.words();
            let code = Code::ALL.iter().find(|code| code.as_str() == word).unwrap();
            assert_eq!((code.status(), code.title()), (refusal.status(), title), "{refusal:?}");
        }
    }

    #[test]
    fn only_a_harmless_request_id_is_repeated() {
        let mut headers = HeaderMap::new();
        assert!(request_id(&headers).starts_with("host-"));
        headers.insert("x-request-id", HeaderValue::from_static("form-7"));
        assert_eq!(request_id(&headers), "form-7");
        headers.insert("x-request-id", HeaderValue::from_static("a\"b"));
        assert!(request_id(&headers).starts_with("host-"));
    }
}
