//! A phone calls the product.

use super::Phone;
use super::call::Call;
use super::carrier::{CarrierError, Inner};
use super::line::{Line, describe};
use super::log::{CallRecord, Entry, Result as CallResult, Side};
use super::persona::{Persona, PersonaKind};
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Response, StatusCodeKind, Uri};
use serde::Deserialize;
use std::sync::Arc;
use talkif_media::sdp::{self, Local};
use tokio::net::UdpSocket;

/// A call to place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The phone's number.
    pub from: String,
    /// The product's number.
    pub to: String,
    /// Who calls.
    #[serde(default)]
    pub persona: PersonaKind,
    /// `host:port` of the product's SIP.
    pub target: String,
    /// Share of packets lost, each way, 0 to 1.
    #[serde(default)]
    pub loss: f64,
}

pub(super) async fn place(carrier: &Arc<Inner>, placement: Placement) -> Result<(), CarrierError> {
    let phone = Phone { loss: placement.loss, ..Phone::with(placement.persona) };
    let callee = format!("sip:{}@{}", placement.to, placement.target);
    let callee = Uri::try_from(callee.as_str()).map_err(|error| CarrierError::Sip(error.to_string()))?;
    let socket = carrier.ports.bind(carrier.media_address()).await?;
    let local = describe(&socket)?;
    let caller = carrier.uri(&placement.from)?;
    let sip_call_id = format!("{:032x}@lab", rand::random::<u128>());
    let record =
        CallRecord::new(Side::Phone, &placement.from, &placement.to, &sip_call_id, placement.persona);
    let entry = carrier.log.open(record);
    let invite = InviteOption {
        contact: caller.clone(),
        caller,
        callee,
        content_type: Some("application/sdp".into()),
        offer: Some(local.offer().into_bytes()),
        call_id: Some(sip_call_id),
        ..InviteOption::default()
    };
    let (sender, states) = carrier.layer.new_dialog_state_channel();
    let (dialog, answer) = carrier.layer.do_invite_async(invite, sender)?;
    let task = Outgoing { carrier: Arc::clone(carrier), socket, local, phone, dialog, states, entry };
    carrier.spawn(async move {
        let response = match answer.await {
            Ok(Ok((_, response))) => response,
            Ok(Err(_)) | Err(_) => None,
        };
        task.run(response).await;
    });
    Ok(())
}

struct Outgoing {
    carrier: Arc<Inner>,
    socket: UdpSocket,
    local: Local,
    phone: Phone,
    dialog: InviteDialog,
    states: DialogStateReceiver,
    entry: Entry,
}

impl Outgoing {
    async fn run(mut self, response: Option<Response>) {
        let status = response.as_ref().map(|response| u16::from(response.status_code.clone()));
        let answer = response.filter(|response| response.status_code.kind() == StatusCodeKind::Successful);
        let remote = answer.and_then(|answer| sdp::parse(std::str::from_utf8(&answer.body).ok()?).ok());
        self.note_ringing();
        let Some(remote) = remote else {
            let result = if status == Some(486) { CallResult::Busy } else { CallResult::Refused };
            return self.entry.failed(result, status);
        };
        let (carrier, dialog) = (Arc::clone(&self.carrier), self.dialog.clone());
        if let Err(error) = self.talk(&remote).await {
            tracing::warn!(%error, "a call into the product failed");
            let _ = dialog.bye().await;
        }
        carrier.layer.remove_dialog(&dialog.id());
    }

    /// States that came while the INVITE was on its way.
    fn note_ringing(&mut self) {
        while let Ok(state) = self.states.try_recv() {
            if matches!(state, DialogState::Early(..)) {
                self.entry.ringing();
            }
        }
    }

    async fn talk(self, remote: &sdp::Remote) -> Result<(), CarrierError> {
        let agreed = self.local.accept(remote).map_err(|error| CarrierError::Sip(error.to_string()))?;
        let address = remote.address().ok_or_else(|| CarrierError::Sip("no media address".into()))?;
        let line = Line::new(self.socket, (address, remote.port).into(), agreed, self.phone)?;
        self.entry.answered();
        let persona = Persona::new(self.phone.persona, true);
        let Self { local, dialog, states, entry, .. } = self;
        Call { line, local, persona, dialog, states, entry }.run().await;
        Ok(())
    }
}
