//! Reading bodies: size, content type, JSON.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use talkif_problem::{Code, FieldCode, FieldError, Problem};

/// Larger bodies are refused: 1 MiB holds a list of 1000 leads with room to spare.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge, format!("The body is larger than {MAX_BODY_BYTES} bytes"))
}

/// Reads the whole body, up to the limit.
pub(super) async fn read(body: axum::body::Body) -> Result<Bytes, Problem> {
    let mut body = body;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Code::BadRequest, "The body ended too early"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// The media type of the body, in lower case, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The problem of a content type that the route does not read.
pub(super) fn unsupported(allowed: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, format!("The content type must be {allowed}"))
}

/// Parses JSON; an error names the field, or line and column.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut source)
        .map_err(|error| json_problem(bytes, &error.path().to_string(), error.inner()))?;
    source.end().map_err(|error| syntax_problem(&error))?;
    if escapes_nul(bytes) {
        return Err(Problem::new(Code::BadRequest, "The body contains U+0000, which no text can hold"));
    }
    Ok(value)
}

/// Whether well-formed `json` has a NUL in one of its texts. Postgres has none, neither in texts
/// nor in JSON: a statement with one would fail as if it were our fault.
pub(crate) fn escapes_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        if escape.starts_with(b"u0000") {
            return true;
        }
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// A field of the wrong shape is only worth a word where the rest of the body is JSON at all.
fn json_problem(bytes: &[u8], path: &str, error: &serde_json::Error) -> Problem {
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Err(syntax) => syntax_problem(&syntax),
        Ok(_) => shape_problem(path, error),
    }
}

fn syntax_problem(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    Problem::new(Code::InvalidJson, format!("The body is not valid JSON at line {line}, column {column}"))
}

/// Well-formed JSON of another shape. Serde's own words can quote values, which may be personal:
/// only the names of fields are taken from them.
fn shape_problem(path: &str, error: &serde_json::Error) -> Problem {
    let words = error.to_string();
    let quoted = words.split('`').nth(1).unwrap_or_default();
    let field_error = if words.starts_with("missing field") {
        FieldError::new(join(path, quoted), FieldCode::Required, "This field is required")
    } else if words.starts_with("unknown field") {
        FieldError::new(path, FieldCode::UnknownField, "There is no such field")
    } else {
        let message = format!("This field has the wrong type or form (line {})", error.line());
        FieldError::new(path, FieldCode::InvalidFormat, message)
    };
    Problem::fields(vec![field_error])
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() || path == "." { field.to_owned() } else { format!("{path}.{field}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters")]
        phone: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its type matters")]
        items: Vec<u8>,
    }

    fn problem(text: &str) -> Problem {
        json::<Sample>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn broken_json_is_located_by_line_and_column() {
        let problem = problem("{\n  \"phone\": ,\n}");
        assert_eq!(problem.code, Code::InvalidJson);
        assert_eq!(problem.detail, "The body is not valid JSON at line 2, column 12");
    }

    #[test]
    fn text_after_the_value_or_none_at_all_is_broken_json() {
        assert_eq!(problem(r#"{"phone":"+90"} x"#).code, Code::InvalidJson);
        assert_eq!(problem(r#"{"phnoe":"#).code, Code::InvalidJson);
    }

    #[test]
    fn nul_is_refused_wherever_it_hides() {
        let table = [
            (r#"{"phone":"a\u0000b"}"#, true),
            (r#"{"phone":"\\\u0000"}"#, true),
            (r#"{"phone":"\\u0000"}"#, false),
            (r#"{"phone":"\u0001\""}"#, false),
        ];
        for (text, refused) in table {
            let problem = json::<Sample>(text.as_bytes()).err();
            assert_eq!(problem.map(|problem| problem.code), refused.then_some(Code::BadRequest), "{text}");
        }
    }

    #[test]
    fn a_shape_error_names_the_field() {
        let table = [
            ("{}", "phone", "required"),
            (r#"{"phone":1}"#, "phone", "invalid_format"),
            (r#"{"phone":"x","items":[1,"secret"]}"#, "items[1]", "invalid_format"),
            (r#"{"phone":"x","phnoe":1}"#, "phnoe", "unknown_field"),
        ];
        for (text, field, code) in table {
            let error = problem(text).errors.remove(0);
            assert_eq!((error.field.as_str(), error.code.as_ref()), (field, code), "{text}");
            assert!(!error.message.contains("secret"));
        }
    }
}
