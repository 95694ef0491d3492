//! The last door before the stack: which requests become transactions.
//!
//! The stack keeps a transaction for half a minute, and repeats its answer meanwhile. That is
//! right for calls and too much for scanners. So only requests that belong to something of ours,
//! and INVITEs that may ring, pass; everything else is answered once and forgotten, which
//! RFC 3261 section 8.2.7 allows. The peer's repetition is simply answered again.

use super::answer::Answerer;
use super::{Gate, Streams};
use crate::direct::admission::NoPlace;
use crate::direct::stack::{Stack, allow};
use crate::direct::{extensions, inbound};
use async_trait::async_trait;
use rsipstack::dialog::DialogId;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, Request, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::TransportEventInspector;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

/// Seconds after which a caller that was turned away may try again.
const RETRY_AFTER: &str = "5";
/// The same for a request that came at the wrong moment; RFC 3311 wants up to ten.
const RETRY_SOON: &str = "2";

/// Sits between the stack's transports and its transactions.
pub(in crate::direct) struct Door {
    pub(in crate::direct) gate: Arc<Gate>,
    pub(in crate::direct) streams: Arc<Streams>,
    /// Known once the stack has been built around the door.
    pub(in crate::direct) stack: Arc<OnceLock<Weak<Stack>>>,
    answerer: Answerer,
}

/// An answer that ends the matter, with headers besides the usual ones.
#[derive(Debug)]
pub(in crate::direct) struct Refusal {
    pub(in crate::direct) status: StatusCode,
    pub(in crate::direct) headers: Vec<Header>,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }
}

impl From<NoPlace> for Refusal {
    fn from(why: NoPlace) -> Self {
        match why {
            NoPlace::Full => Self::busy(),
            NoPlace::Merged => StatusCode::LoopDetected.into(),
        }
    }
}

impl Refusal {
    /// 500 with a time to wait: the call is not yet at a point where this makes sense.
    pub(in crate::direct) fn not_now() -> Self {
        let headers = vec![Header::RetryAfter(RETRY_SOON.into())];
        Self { status: StatusCode::ServerInternalError, headers }
    }

    /// 503: no place free at the moment.
    pub(in crate::direct) fn busy() -> Self {
        let headers = vec![Header::RetryAfter(RETRY_AFTER.into())];
        Self { status: StatusCode::ServiceUnavailable, headers }
    }
}

/// What becomes of a request.
enum Verdict {
    Pass,
    Drop,
    Answer(Refusal),
}

impl<R: Into<Refusal>> From<R> for Verdict {
    fn from(refusal: R) -> Self {
        Self::Answer(refusal.into())
    }
}

impl Door {
    pub(in crate::direct) fn new(gate: Arc<Gate>, streams: Arc<Streams>) -> Self {
        Self { gate, streams, stack: Arc::default(), answerer: Answerer::default() }
    }

    /// Streams that others opened are counted here; datagrams were counted before they were
    /// parsed. A stream that sends more than its budget is closed: its messages cannot be dropped
    /// singly, because nobody repeats them.
    fn fits_the_budget(&self, connection: &SipConnection, source: IpAddr) -> bool {
        let fits = !self.streams.know(connection) || self.gate.admits(source);
        if !fits {
            self.streams.close(connection);
        }
        fits
    }

    async fn judge(&self, request: &Request, connection: &SipConnection, source: IpAddr) -> bool {
        let stack = self.stack.get().and_then(Weak::upgrade);
        let verdict = stack.as_ref().map_or(Verdict::Drop, |stack| {
            Case { stack, request, source, reliable: connection.is_reliable() }.verdict()
        });
        match (verdict, stack) {
            (Verdict::Pass, _) => {
                self.streams.note_useful(connection);
                return true;
            }
            (Verdict::Answer(refusal), Some(stack)) => {
                self.answerer.answer(&stack, request, refusal, connection).await;
            }
            (Verdict::Drop | Verdict::Answer(_), _) => self.gate.count_dropped(),
        }
        false
    }
}

#[async_trait]
impl TransportEventInspector for Door {
    async fn handle(&self, event: TransportEvent) -> Option<TransportEvent> {
        match &event {
            TransportEvent::Incoming(message, connection, from) => {
                let source = ip_of(from)?;
                if !self.fits_the_budget(connection, source) {
                    self.gate.count_dropped();
                    return None;
                }
                let passes = match message {
                    SipMessage::Request(request) => self.judge(request, connection, source).await,
                    SipMessage::Response(_) => true,
                };
                passes.then_some(event)
            }
            TransportEvent::Closed(connection) => {
                self.streams.closed(connection);
                Some(event)
            }
            TransportEvent::New(_) => Some(event),
        }
    }
}

fn ip_of(address: &SipAddr) -> Option<IpAddr> {
    address.get_socketaddr().ok().map(|address| address.ip())
}

/// One request and what is known about it.
struct Case<'a> {
    stack: &'a Stack,
    request: &'a Request,
    source: IpAddr,
    reliable: bool,
}

impl Case<'_> {
    fn verdict(&self) -> Verdict {
        let endpoint = self.stack.endpoint();
        let Ok(key) = TransactionKey::from_request(self.request, TransactionRole::Server) else {
            return Verdict::Drop;
        };
        if self.request.method == Method::Ack || endpoint.transactions.contains_key(&key) {
            return Verdict::Pass;
        }
        let finished = endpoint.finished_transactions.contains_key(&key);
        match (self.request.method, finished) {
            (Method::Cancel, true) => StatusCode::OK.into(),
            (Method::Cancel, false) => StatusCode::CallTransactionDoesNotExist.into(),
            // The stack repeats its last answer, and would wait for a stream that is not read.
            // Nobody needs to repeat a request on a stream.
            (_, true) if self.reliable => Verdict::Drop,
            (_, true) => Verdict::Pass,
            (_, false) => self.in_a_call().unwrap_or_else(|| self.outside_calls(&key)),
        }
    }

    /// The verdict on a request that names a call; `None` if it names none.
    fn in_a_call(&self) -> Option<Verdict> {
        let id = DialogId::try_from((self.request, TransactionRole::Server)).ok()?;
        if id.local_tag.is_empty() {
            return None;
        }
        if self.stack.layer.get_dialog(&id).is_none() {
            // The stack has no dialog for a call of ours before its answer.
            let rings = self.stack.dialled.know_named(&id.call_id, &id.local_tag);
            let unknown = || StatusCode::CallTransactionDoesNotExist.into();
            return Some(if rings { Refusal::not_now().into() } else { unknown() });
        }
        // Who knows both tags is in the call, whatever its address.
        self.stack.gate.note_peer(self.source);
        Some(Verdict::Pass)
    }

    fn outside_calls(&self, key: &TransactionKey) -> Verdict {
        if !self.stack.gate.may_call(self.source) {
            return StatusCode::Forbidden.into();
        }
        match self.request.method {
            Method::Invite => self.may_ring(key).map_or_else(Verdict::from, |()| Verdict::Pass),
            Method::Options => Refusal { status: StatusCode::OK, headers: vec![allow()] }.into(),
            _ => Refusal { status: StatusCode::MethodNotAllowed, headers: vec![allow()] }.into(),
        }
    }

    /// Keeps a place for an INVITE, or says why there is none. What costs least is asked first.
    fn may_ring(&self, key: &TransactionKey) -> Result<(), Refusal> {
        let Self { stack, request, source, .. } = self;
        if stack.is_closing() {
            return Err(Refusal::busy());
        }
        stack.admission.check(request, *source)?;
        extensions::check(request, stack.config.min_session)?;
        inbound::usable_offer(request)?;
        match &stack.authenticator {
            Some(authenticator) if !authenticator.admits(request, *source) => Err(Refusal {
                status: StatusCode::Unauthorized,
                headers: vec![authenticator.challenge(*source)],
            }),
            Some(_) | None => Ok(stack.admission.reserve(key, request, *source)?),
        }
    }
}

/// Whether the request names a call, and so expects to be in one.
pub(in crate::direct) fn names_a_call(request: &Request) -> bool {
    request.to_header().is_ok_and(|to| matches!(to.tag(), Ok(Some(_))))
}
