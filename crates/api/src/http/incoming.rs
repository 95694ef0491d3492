use super::{Page, body, query};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use talkif_problem::{Code, FieldCode, FieldError, Problem};

/// A request that has been read whole.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Names it in logs and in answers.
    pub request_id: String,
    /// 32 hex digits: from `traceparent`, or new.
    pub trace_id: String,
    pub(super) parts: Parts,
    pub(super) path: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Incoming {
    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The body to the byte.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body's media type, in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        body::media_type(self.headers())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `unsupported_media_type`, `invalid_json` with line and column, `validation_failed` with
    /// the field.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match self.media_type().as_deref() {
            Some("application/json") => body::json(&self.body),
            _ => Err(body::unsupported("application/json")),
        }
    }

    /// A parameter of the path, such as `{id}`.
    ///
    /// # Errors
    /// `invalid_id_format` if it is not a `T`.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let text = self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        text.and_then(|text| text.parse().ok()).ok_or_else(|| {
            Problem::new(
                Code::InvalidIdFormat,
                format!("`{name}` in the path is not an id of the expected kind"),
            )
        })
    }

    /// A value of the query string.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        query::value(self.parts.uri.query(), name)
    }

    /// The page that the query string asks for.
    ///
    /// # Errors
    /// `validation_failed` for numbers out of bounds.
    pub fn page(&self) -> Result<Page, Problem> {
        let number = |name: &str, default: i64| match self.query(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                Problem::fields(vec![FieldError::new(
                    name,
                    FieldCode::InvalidFormat,
                    "It must be a whole number",
                )])
            }),
        };
        Page { limit: number("limit", 20)?, offset: number("offset", 0)? }.checked()
    }

    /// The bearer token, if there is one.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let value = self.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The problem of a content type that this route does not read.
    pub(crate) fn unsupported(allowed: &str) -> Problem {
        body::unsupported(allowed)
    }
}
