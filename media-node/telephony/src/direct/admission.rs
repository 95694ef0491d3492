//! The places of calls that may ring. The door reserves one for an INVITE, so that a flood cannot
//! overtake the counting; the call takes it over as soon as its transaction is there.

use super::callers::{Caller, Callers};
use super::pending::{Pending, Slot};
use rsipstack::sip::Request;
use rsipstack::transaction::key::TransactionKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Who may ring, and who is about to.
#[derive(Debug)]
pub(super) struct Admission {
    pending: Arc<Pending>,
    callers: Arc<Callers>,
    reserved: Mutex<HashMap<String, Place>>,
}

/// The place of one call.
#[derive(Debug)]
pub(super) struct Place {
    /// Held until the call is answered or over.
    pub(super) slot: Slot,
    /// Held until the call is over.
    pub(super) caller: Caller,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Too many wait already.
    Full,
    /// The same call is there already (RFC 3261 section 8.2.2.2).
    Merged,
}

impl Admission {
    pub(super) fn new(max: usize, max_per_source: usize) -> Self {
        Self {
            pending: Pending::new(max, max_per_source),
            callers: Arc::default(),
            reserved: Mutex::default(),
        }
    }

    /// Whether [`Self::reserve`] would find a place for the INVITE.
    pub(super) fn check(&self, invite: &Request, source: IpAddr) -> Result<(), NoPlace> {
        match () {
            () if self.callers.know(invite) => Err(NoPlace::Merged),
            () if !self.pending.has_room(source) => Err(NoPlace::Full),
            () => Ok(()),
        }
    }

    /// Keeps a place for the INVITE of the transaction that is about to start.
    pub(super) fn reserve(
        &self,
        key: &TransactionKey,
        invite: &Request,
        source: IpAddr,
    ) -> Result<(), NoPlace> {
        let caller = self.callers.note(invite).ok_or(NoPlace::Merged)?;
        let slot = self.pending.take(source).ok_or(NoPlace::Full)?;
        self.reserved().insert(key.to_string(), Place { slot, caller });
        Ok(())
    }

    /// The place kept for a transaction.
    pub(super) fn redeem(&self, key: &TransactionKey) -> Option<Place> {
        self.reserved().remove(&key.to_string())
    }

    fn reserved(&self) -> std::sync::MutexGuard<'_, HashMap<String, Place>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsipstack::transaction::key::TransactionRole;

    fn invite(call: &str) -> (TransactionKey, Request) {
        let text = format!(
            "INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{call}\r\n\
             From: <sip:2@127.0.0.1>;tag=a\r\nTo: <sip:1@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        let request = Request::try_from(text.as_bytes()).unwrap();
        (TransactionKey::from_request(&request, TransactionRole::Server).unwrap(), request)
    }

    #[test]
    fn places_are_gone_as_soon_as_they_are_reserved_and_come_back_with_the_call() {
        let (admission, source) = (Admission::new(1, 1), IpAddr::from([192, 0, 2, 1]));
        let ((first, a), (second, b)) = (invite("a"), invite("b"));
        admission.reserve(&first, &a, source).unwrap();
        assert_eq!(admission.check(&a, source), Err(NoPlace::Merged));
        assert_eq!(admission.check(&b, source), Err(NoPlace::Full));
        assert_eq!(admission.reserve(&second, &b, source), Err(NoPlace::Full));
        let place = admission.redeem(&first).unwrap();
        assert!(admission.redeem(&first).is_none());
        drop(place);
        assert_eq!(admission.reserve(&second, &b, source), Ok(()));
    }
}
