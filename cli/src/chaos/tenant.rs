//! The account that everything happens to: its flows, its limits, its do-not-call list.

use crate::demo::bare_app;
use crate::stack::{Stack, TRUNK_PASSWORD, TRUNK_USER};
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::Arc;
use talkif_api::bootstrap::{Bootstrap, FlowPlan, KeyPlan, NumberPlan, WebhookPlan, bootstrap};
use talkif_model::E164;
use talkif_rules::api_key::Mode;
use talkif_rules::flow::Format;
use talkif_rules::zones;
use talkif_store::{Db, Statement, native};

/// Calls at once.
pub(super) const FLOW: &str = "flow_chaos";
/// May not call at this hour.
pub(super) const QUIET_FLOW: &str = "flow_chaos_quiet";
/// Lets phones ring for long.
pub(super) const RINGING_FLOW: &str = "flow_chaos_ringing";

const LIMITS: Statement = Statement {
    name: "chaos.limits",
    sql: "update account_settings set concurrent_calls = $2::bigint::integer, balance_microcents = 1000000000000
          where account_id = $1::text::uuid returning account_id::text",
};
const LIST: Statement = Statement {
    name: "chaos.list",
    sql:
        "insert into dnc_entries (account_id, phone, reason, source)
          select $1::text::uuid, unnest($2::text[]), 'chaos', 'manual' on conflict do nothing returning phone",
};

/// The account.
pub(super) struct Tenant {
    pub(super) key: String,
    pub(super) webhook_secret: String,
    account: String,
    db: Arc<dyn Db>,
}

impl Tenant {
    /// `callee` is one of those who are called: quiet hours are by their clock.
    pub(super) async fn create(
        stack: &Stack,
        webhook: &str,
        callee: &E164,
        calls_at_once: usize,
    ) -> Result<Self> {
        let app = bare_app(stack).await?;
        let made = bootstrap(&app, plan(stack, webhook, callee)?).await.context("setting up the account")?;
        let db: Arc<dyn Db> = Arc::new(native::connect(&stack.database_url).await?);
        let account = made.account.sql();
        let limit = i64::try_from(calls_at_once)?;
        db.query(&LIMITS, vec![account.as_str().into(), limit.into()]).await?;
        Ok(Self {
            key: made.api_key.context("no key was made")?,
            webhook_secret: made
                .webhook_secrets
                .into_iter()
                .next()
                .flatten()
                .context("no secret was made")?,
            account,
            db,
        })
    }

    /// Puts numbers on the do-not-call list.
    pub(super) async fn list(&self, numbers: Vec<String>) -> Result<()> {
        self.db.query(&LIST, vec![self.account.as_str().into(), numbers.into()]).await?;
        Ok(())
    }

    /// The region's database.
    pub(super) fn db(&self) -> &dyn Db {
        &*self.db
    }
}

fn plan(stack: &Stack, webhook: &str, callee: &E164) -> Result<Bootstrap> {
    let region = stack.options().region;
    let lab = stack.lab.as_ref().context("chaos calls the lab's phones")?;
    let flow = |source: String| FlowPlan { source, format: Format::Yaml };
    Ok(Bootstrap {
        account: "Chaos".to_owned(),
        home: region,
        strict_residency: false,
        edges: vec![(region, stack.api_url.clone())],
        key: KeyPlan { name: "chaos".to_owned(), mode: Mode::Live, renew: true },
        flows: vec![
            flow(calling_flow(FLOW, "", "5s", "{delay: 60s, max: 1, backoff: fixed}")),
            flow(calling_flow(QUIET_FLOW, &quiet_hours(callee, Timestamp::now())?, "5s", "never")),
            flow(calling_flow(RINGING_FLOW, "", "120s", "never")),
        ],
        numbers: vec![NumberPlan {
            phone: "+442079460123".parse()?,
            friendly_name: None,
            termination_uri: lab.sip.clone(),
            transport: "udp".to_owned(),
            credentials: Some((TRUNK_USER.to_owned(), TRUNK_PASSWORD.to_owned())),
            flow_id: None,
        }],
        webhooks: vec![WebhookPlan {
            url: webhook.to_owned(),
            events: vec!["*".to_owned()],
            formerly: None,
            renew: true,
        }],
    })
}

fn calling_flow(id: &str, quiet_hours: &str, max_ring: &str, retry: &str) -> String {
    format!(
        "id: {id}\nname: Chaos\nmatch: {{source: [{id}]}}\n\
         call: {{within: 6h, max_ring: {max_ring}, max_duration: 90s, silence: 5s, record: true, retry: {retry}{quiet_hours}}}\n\
         agent:\n  language: en\n  greeting: \"Hi {{{{default contact.name \\\"there\\\"}}}}, this is Talkif calling on behalf of \
         Helena Education. Do you have a moment?\"\n  system: Be brief.\n\
         qualify: [need, timing]\non:\n  qualified: book(calendar.mehmet)\n  not_fit: log(\"out_of_scope\")\n"
    )
}

/// From an hour ago until five hours from now, by the callee's clock.
fn quiet_hours(callee: &E164, now: Timestamp) -> Result<String> {
    let zone = zones::zones_of(callee).into_iter().next().context("nobody knows where the callee is")?;
    let hour = now.to_zoned(TimeZone::get(zone)?).hour();
    Ok(format!(", quiet_hours: \"{:02}:00-{:02}:00\"", (hour + 23) % 24, (hour + 5) % 24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use talkif_rules::flow::compile;
    use talkif_rules::window::{self, Window};

    #[test]
    fn the_quiet_flow_calls_nobody_now_and_the_other_does() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let callee: E164 = "+905323001234".parse().unwrap();
        let window = |quiet: &str| {
            let source = calling_flow(FLOW, quiet, "5s", "never");
            let flow = compile(&source, Format::Yaml).unwrap();
            window::check(&callee, None, &flow.call.quiet_hours, now)
        };
        assert_eq!(window(""), Window::Open);
        assert!(matches!(window(&quiet_hours(&callee, now).unwrap()), Window::Closed { .. }));
    }

    #[test]
    fn the_calling_flow_tries_again_once() {
        let source = calling_flow(FLOW, "", "5s", "{delay: 60s, max: 1, backoff: fixed}");
        let flow = compile(&source, Format::Yaml).unwrap();
        assert_eq!(flow.call.retry, talkif_model::flow::RetryPolicy::Fixed { delay_s: 60, max: 1 });
    }
}
