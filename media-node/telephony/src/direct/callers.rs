//! Calls by what their INVITE calls itself: inbound ones, so that the same INVITE arriving on two
//! ways does not ring twice; our own, because the stack does not know them before they are
//! answered.

use rsipstack::sip::Request;
use rsipstack::sip::prelude::HeadersExt;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Name = (String, String);

/// The calls that are there.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<HashSet<Name>>);

/// One of them; dropping it forgets it.
#[derive(Debug)]
pub(super) struct Caller {
    callers: Arc<Callers>,
    name: Name,
}

impl Callers {
    /// Whether a call of the INVITE's Call-ID and From tag is there.
    pub(super) fn know(&self, invite: &Request) -> bool {
        name(invite).is_some_and(|name| self.names().contains(&name))
    }

    /// Whether the call of a Call-ID is there whose caller has the tag.
    pub(super) fn know_named(&self, call: &str, tag: &str) -> bool {
        self.names().contains(&(call.to_owned(), tag.to_owned()))
    }

    /// Notes the INVITE's call; `None` if it is there already or has no name.
    pub(super) fn note(self: &Arc<Self>, invite: &Request) -> Option<Caller> {
        self.note_named(name(invite)?)
    }

    /// Notes a call by its Call-ID and its caller's tag; `None` if it is there already.
    pub(super) fn note_named(self: &Arc<Self>, name: Name) -> Option<Caller> {
        self.names().insert(name.clone()).then(|| Caller { callers: self.clone(), name })
    }

    fn names(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.callers.names().remove(&self.name);
    }
}

fn name(invite: &Request) -> Option<Name> {
    let call = invite.call_id_header().ok()?.value().to_owned();
    let tag = invite.from_header().ok()?.tag().ok()??.value().to_owned();
    Some((call, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(call: &str, tag: &str) -> Request {
        let text = format!(
            "INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\
             From: <sip:2@127.0.0.1>;tag={tag}\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_call_is_known_while_it_is_there() {
        let callers = Arc::new(Callers::default());
        let call = callers.note(&invite("c", "1")).unwrap();
        assert!(callers.know(&invite("c", "1")) && callers.note(&invite("c", "1")).is_none());
        assert!(!callers.know(&invite("c", "2")) && !callers.know(&invite("d", "1")));
        drop(call);
        assert!(!callers.know(&invite("c", "1")));
    }
}
