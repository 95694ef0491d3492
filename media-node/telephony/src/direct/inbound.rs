//! A call comes in that `gate` let through and kept a place for: it rings.

use super::admission::Place;
use super::call::{Call, Side};
use super::extensions::insists_on_reliable_provisionals;
use super::gate::Refusal;
use super::leg::{DirectLeg, queues};
use super::media::Media;
use super::outbound::describe;
use super::stack::{Stack, allow};
use crate::port::IncomingCall;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Request, Scheme, StatusCode, Uri};
use rsipstack::transaction::transaction::Transaction;
use std::sync::Arc;
use talkif_media::sdp::{self, Remote};
use tokio::time::Instant;

/// Handles an INVITE that starts a call.
pub(super) async fn invited(stack: &Arc<Stack>, mut transaction: Transaction) {
    match admit(stack, &transaction) {
        Ok(admitted) => ring(stack, transaction, admitted).await,
        Err(refusal) => refuse(&mut transaction, refusal).await,
    }
}

/// A caller that may ring.
struct Admitted {
    offer: Option<Box<Remote>>,
    place: Place,
    from: String,
    to: String,
}

fn admit(stack: &Stack, transaction: &Transaction) -> Result<Admitted, Refusal> {
    let request = &transaction.original;
    let place = stack.admission.redeem(&transaction.key).ok_or_else(Refusal::busy)?;
    let offer = usable_offer(request)?;
    let (from, to) = users(request);
    Ok(Admitted { offer, place, from, to })
}

/// Who calls, and who is called: the users of `From` and of the request's own address.
pub(super) fn users(request: &Request) -> (String, String) {
    let from = request.from_header().ok().and_then(|from| from.uri().ok());
    let from = from.as_ref().and_then(Uri::user).unwrap_or_default().to_owned();
    (from, request.uri.user().unwrap_or_default().to_owned())
}

/// The caller's description, if there is one. Audio we cannot speak is refused before it rings.
pub(super) fn usable_offer(request: &Request) -> Result<Option<Box<Remote>>, Refusal> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let offer =
        sdp::parse(&String::from_utf8_lossy(&request.body)).map_err(|_| StatusCode::NotAcceptableHere)?;
    if offer.codecs.is_empty() || offer.port == 0 {
        return Err(StatusCode::NotAcceptableHere.into());
    }
    Ok(Some(Box::new(offer)))
}

async fn refuse(transaction: &mut Transaction, refusal: Refusal) {
    if let Err(error) = transaction.reply_with(refusal.status, refusal.headers, None).await {
        tracing::debug!(%error, "an INVITE could not be refused");
        return;
    }
    // The stack repeats the refusal until the ACK comes.
    while transaction.receive().await.is_some() {}
}

/// Makes the call's leg and lets it ring until somebody answers or refuses it.
async fn ring(stack: &Arc<Stack>, mut transaction: Transaction, admitted: Admitted) {
    let Admitted { offer, place: Place { slot, caller }, from, to } = admitted;
    let Ok(socket) = stack.ports.bind().await else {
        return refuse(&mut transaction, Refusal::busy()).await;
    };
    let (states_in, states) = stack.layer.new_dialog_state_channel();
    let contact = Some(contact(stack, &to));
    let dialog = match stack.layer.get_or_create_server_invite(&transaction, states_in, None, contact) {
        Ok(dialog) => dialog,
        Err(_) => return refuse(&mut transaction, StatusCode::BadRequest.into()).await,
    };
    let (queues, leg_queues) = queues();
    let (media, receiving) = Media::start(socket, queues.keys.clone());
    let id = dialog.id().call_id;
    tracing::info!(sip_call_id = %id, "a call comes in");
    let local = describe(stack, &media);
    let side = Side::Inbound { offer, slot: Some(slot), caller };
    let until = Instant::now() + stack.config.inbound.max_ring;
    let call = Call::new(
        stack.clone(),
        dialog.clone(),
        side,
        states,
        queues,
        media.clone(),
        receiving,
        local,
        until,
    );
    stack.tasks.spawn(call.run());
    let leg = Box::new(DirectLeg::new(id, media, leg_queues));
    // Dropped if nobody takes calls any more: the leg then refuses itself.
    drop(stack.calls.try_send(IncomingCall { from, to, leg }));
    serve(dialog, transaction).await;
}

fn contact(stack: &Stack, user: &str) -> Uri {
    let auth = (!user.is_empty()).then(|| user.into());
    Uri { scheme: Some(Scheme::Sip), auth, host_with_port: stack.advertised().into(), ..Uri::default() }
}

/// Sends 180 and drives the INVITE's transaction: answers, retransmissions, CANCEL, ACK.
async fn serve(mut dialog: InviteDialog, mut transaction: Transaction) {
    let rings = if insists_on_reliable_provisionals(&transaction.original) {
        Ok(())
    } else {
        dialog.ringing(Some(vec![allow()]), None)
    };
    let outcome = match rings {
        Ok(()) => dialog.handle(&mut transaction).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "an INVITE could not be served");
    }
}
