//! A small client of the public API, as a customer's backend would write it.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::time::Duration;

/// Calls the API with a key.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    /// `base` is `http://host:port`, without `/v1`.
    pub(crate) fn new(base: &str, key: &str) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build()?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// POST with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// POST with a body of another type.
    pub(crate) async fn post_text(&self, path: &str, content_type: &str, body: String) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", content_type);
        self.send(request.body(body)).await
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Whether a GET finds anything.
    pub(crate) async fn finds(&self, path: &str) -> Result<bool> {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let status = request.send().await.context("the API cannot be reached")?.status();
        match status.as_u16() {
            404 => Ok(false),
            _ if status.is_success() => Ok(true),
            other => bail!("GET {path} was answered with {other}"),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = request
            .bearer_auth(&self.key)
            .send()
            .await
            .with_context(|| format!("the API at {} cannot be reached; is it up?", self.base))?;
        let status = response.status();
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if !status.is_success() {
            bail!("{}", problem_text(status.as_u16(), &body));
        }
        Ok(body)
    }
}

/// A problem body as one readable text: the sentence, then a line for each field.
fn problem_text(status: u16, body: &Value) -> String {
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = format!("{status} {}: {}", text(body, "code"), text(body, "detail"));
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        lines.push_str(&format!(
            "\n  {}: {} ({})",
            text(error, "field"),
            text(error, "message"),
            text(error, "code")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_sentences() {
        let body = serde_json::json!({
            "code": "validation_failed", "detail": "Two fields are wrong.",
            "errors": [{"field": "phone", "code": "invalid_phone_format", "message": "not a phone number"}]
        });
        assert_eq!(
            problem_text(400, &body),
            "400 validation_failed: Two fields are wrong.\n  phone: not a phone number (invalid_phone_format)"
        );
    }
}
