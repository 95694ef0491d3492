//! Answers without a transaction.

use super::Refusal;
use crate::direct::stack::Stack;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Request, Response};
use rsipstack::transport::SipConnection;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::timeout;

/// A stream gets this long to take an answer.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);

/// Sends final answers once and keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Answerer {
    secret: RandomState,
}

impl Answerer {
    pub(super) async fn answer(
        &self,
        stack: &Stack,
        request: &Request,
        refusal: Refusal,
        connection: &SipConnection,
    ) {
        let response = self.response(stack, request, refusal);
        let connection = connection.clone();
        let reliable = connection.is_reliable();
        let sending = async move {
            if let Err(error) = connection.send(response.into(), None).await {
                tracing::debug!(%error, "a request could not be answered");
            }
        };
        if reliable {
            // Whoever does not read its stream must not hold up the others.
            tokio::spawn(timeout(STREAM_PATIENCE, sending));
        } else {
            sending.await;
        }
    }

    fn response(&self, stack: &Stack, request: &Request, refusal: Refusal) -> Response {
        let Refusal { status, headers } = refusal;
        let mut response = stack.endpoint().make_response(request, status, None);
        if let Ok(to) = request.to_header()
            && matches!(to.tag(), Ok(None))
        {
            let tagged = to.clone().with_tag(self.tag(request).into());
            response.headers.unique_push(tagged.into());
        }
        response.headers.extend(headers);
        response
    }

    /// The same for a repeated request, as section 8.2.7 asks of those who keep nothing.
    fn tag(&self, request: &Request) -> String {
        let call_id = request.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default();
        let via = request.via_header().map(|via| via.value().to_owned()).unwrap_or_default();
        format!("{:016x}", self.secret.hash_one((call_id, via)))
    }
}
