//! The product calls a phone.

use super::call::Call;
use super::carrier::{Inner, caller_of, number_of, refuse};
use super::line::{Line, describe};
use super::log::{CallRecord, Entry, Result as CallResult, Side};
use super::persona::{Persona, PersonaKind};
use super::{CarrierError, Phone};
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Request, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use std::sync::Arc;
use std::time::Duration;
use talkif_media::sdp;

/// The carrier gives up a phone that nobody answers.
const LONGEST_RING: Duration = Duration::from_secs(180);

pub(super) async fn answer(carrier: Arc<Inner>, transaction: Transaction) {
    let request = &transaction.original;
    let number = number_of(Some(request.uri.clone()));
    let phone = carrier.phones.at(&number);
    let call_id = request.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default();
    let mut record = CallRecord::new(Side::Product, &number, &caller_of(request), &call_id, phone.persona);
    record.talkif_call = talkif_call(request);
    if let Err((challenge, tried)) = carrier.authenticate(request) {
        if tried {
            carrier.log.open(record).failed(CallResult::Unauthorized, Some(407));
        }
        return refuse(transaction, StatusCode::ProxyAuthenticationRequired, vec![challenge]).await;
    }
    let entry = carrier.log.open(record);
    if phone.persona == PersonaKind::Busy {
        entry.failed(CallResult::Busy, Some(486));
        return refuse(transaction, StatusCode::BusyHere, Vec::new()).await;
    }
    let offer = std::str::from_utf8(&request.body).ok().and_then(|text| sdp::parse(text).ok());
    let Some(offer) = offer.filter(|offer| !offer.codecs.is_empty() && offer.address().is_some()) else {
        entry.failed(CallResult::Refused, Some(488));
        return refuse(transaction, StatusCode::NotAcceptableHere, Vec::new()).await;
    };
    if let Err(error) = ring(&carrier, transaction, phone, &number, &offer, &entry).await {
        tracing::warn!(%error, "a phone failed");
        entry.failed(CallResult::Refused, Some(500));
    }
}

fn talkif_call(request: &Request) -> Option<String> {
    request.headers.iter().find_map(|header| match header {
        Header::Other(name, value) if name.eq_ignore_ascii_case("X-Talkif-Call") => Some(value.clone()),
        _ => None,
    })
}

async fn ring(
    carrier: &Arc<Inner>,
    mut transaction: Transaction,
    phone: Phone,
    number: &str,
    offer: &sdp::Remote,
    entry: &Entry,
) -> Result<(), CarrierError> {
    let (sender, mut states) = carrier.layer.new_dialog_state_channel();
    let contact = carrier.uri(number)?;
    let dialog = carrier.layer.get_or_create_server_invite(&transaction, sender, None, Some(contact))?;
    let mut driven = dialog.clone();
    carrier.spawn(async move {
        if let Err(error) = driven.handle(&mut transaction).await {
            tracing::debug!(%error, "an INVITE failed");
        }
    });
    dialog.ringing(None, None)?;
    entry.ringing();
    let outcome = if canceled_while_ringing(carrier, phone, &mut states).await {
        entry.failed(CallResult::Canceled, Some(487));
        Ok(())
    } else if phone.persona == PersonaKind::NoAnswer {
        entry.failed(CallResult::Unanswered, Some(480));
        dialog.reject(Some(StatusCode::TemporarilyUnavailable), None).map_err(Into::into)
    } else {
        pick_up(carrier, phone, offer, dialog.clone(), states, entry.clone()).await
    };
    carrier.layer.remove_dialog(&dialog.id());
    outcome
}

/// Rings as long as this phone does; true if the caller gave up meanwhile.
async fn canceled_while_ringing(carrier: &Inner, phone: Phone, states: &mut DialogStateReceiver) -> bool {
    let usual = match phone.persona {
        PersonaKind::NoAnswer => LONGEST_RING,
        _ => carrier.options.ring,
    };
    let ring = phone.ring_ms.map_or(usual, Duration::from_millis);
    let canceled = async {
        loop {
            match states.recv().await {
                Some(DialogState::Terminated(..)) | None => return,
                Some(_) => {}
            }
        }
    };
    tokio::time::timeout(ring, canceled).await.is_ok()
}

async fn pick_up(
    carrier: &Inner,
    phone: Phone,
    offer: &sdp::Remote,
    dialog: InviteDialog,
    states: DialogStateReceiver,
    entry: Entry,
) -> Result<(), CarrierError> {
    let socket = carrier.ports.bind(carrier.media_address()).await?;
    let local = describe(&socket)?;
    let (answer, agreed) = local.answer(offer).map_err(|error| CarrierError::Sip(error.to_string()))?;
    let address = offer.address().ok_or_else(|| CarrierError::Sip("no media address".into()))?;
    let line = Line::new(socket, (address, offer.port).into(), agreed, phone)?;
    let headers = vec![Header::ContentType("application/sdp".into())];
    dialog.accept(Some(headers), Some(answer.into_bytes()))?;
    entry.answered();
    let persona = Persona::new(phone.persona, false);
    Call { line, local, persona, dialog, states, entry }.run().await;
    Ok(())
}
