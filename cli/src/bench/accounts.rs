//! Customers for the load: one account's rate limit must not be what is measured.

use crate::bench::client::request;
use crate::bench::load::Source;
use crate::demo::bare_app;
use crate::stack::Stack;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use talkif_api::bootstrap::{Bootstrap, FlowPlan, KeyPlan, NumberPlan, WebhookPlan, bootstrap};
use talkif_rules::api_key::Mode;
use talkif_rules::flow::Format;

/// Keys of `count` accounts, each with a number and the example flow.
pub(crate) async fn create(stack: &Stack, count: usize) -> Result<Vec<String>> {
    create_with_webhook(stack, count, None).await
}

/// The same, with an endpoint at `url` each.
pub(crate) async fn create_with_webhook(
    stack: &Stack,
    count: usize,
    url: Option<&str>,
) -> Result<Vec<String>> {
    let app = bare_app(stack).await?;
    let mut keys = Vec::with_capacity(count);
    for index in 0..count {
        let made = bootstrap(&app, plan(stack, index, url)?).await.context("setting an account up")?;
        keys.push(made.api_key.context("no key was made")?);
    }
    Ok(keys)
}

fn plan(stack: &Stack, index: usize, url: Option<&str>) -> Result<Bootstrap> {
    let region = stack.options().region;
    let webhook = |url: &str| WebhookPlan {
        url: url.to_owned(),
        events: vec!["*".to_owned()],
        formerly: None,
        renew: false,
    };
    Ok(Bootstrap {
        account: format!("bench {index}"),
        home: region,
        strict_residency: false,
        edges: vec![(region, stack.api_url.clone())],
        key: KeyPlan { name: "bench".to_owned(), mode: Mode::Live, renew: true },
        flows: vec![FlowPlan {
            source: include_str!("../../../examples/pricing-v3.yaml").to_owned(),
            format: Format::Yaml,
        }],
        numbers: vec![NumberPlan {
            phone: format!("+44207946{index:04}").parse()?,
            friendly_name: None,
            termination_uri: "127.0.0.1:9".to_owned(),
            transport: "udp".to_owned(),
            credentials: None,
            flow_id: Some(crate::demo::EXAMPLE_FLOW.parse()?),
        }],
        webhooks: url.map(webhook).into_iter().collect(),
    })
}

/// Leads of one account after the other, each with a number of its own.
pub(crate) fn leads(keys: Vec<String>, first: usize) -> Source {
    let next = AtomicUsize::new(first);
    Arc::new(move |_| {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let bearer = format!("Bearer {}", keys[index % keys.len()]);
        let body = format!(
            r#"{{"source":"web_form","phone":"+90532{:07}","name":"A Name","intent":"pricing","language":"en","consent":true}}"#,
            index % 10_000_000
        );
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        request("POST", "/v1/leads", &headers, &body)
    })
}
