//! Dialling: the INVITE with its offer, to the trunk.

use super::call::{Call, Side};
use super::leg::{DirectLeg, queues};
use super::media::Media;
use super::stack::{Stack, allow};
use crate::port::{CallLeg, DialError, DialRequest, Transport, Trunk};
use rsipstack::dialog::DialogId;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::sip::{self, Header, HostWithPort, Param, Scheme, Uri};
use rsipstack::transport::SipAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use talkif_media::g711::Law;
use talkif_media::sdp::Local;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// Ports where a trunk's address names none.
const SIP_PORT: u16 = 5_060;
const SIPS_PORT: u16 = 5_061;
/// Resolving a trunk's name may take this long.
const RESOLVE: Duration = Duration::from_secs(5);
/// A connection to a trunk may take this long to open.
const CONNECT: Duration = Duration::from_secs(5);

/// Sends the INVITE; all that follows comes as events of the leg.
pub(super) async fn dial(stack: &Arc<Stack>, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError> {
    let target = Target::of(&request.trunk)?;
    let (destination, address) = target.resolve().await?;
    stack.gate.note_peer(address.ip());
    connect(stack, &destination).await?;
    let socket = stack.ports.bind().await.map_err(|error| DialError::Media(error.to_string()))?;
    let (queues, leg_queues) = queues();
    let (media, receiving) = Media::start(socket, queues.keys.clone());
    let local = describe(stack, &media);
    let ring_until = Instant::now() + request.max_ring;
    let option = invite(stack, &request, &target, destination, local.offer())?;
    let (states_in, states) = stack.layer.new_dialog_state_channel();
    let (dialog, invite) =
        stack.layer.do_invite_async(option, states_in).map_err(|error| DialError::Sip(error.to_string()))?;
    let DialogId { call_id: id, local_tag, .. } = dialog.id();
    tracing::info!(call = %request.call_id, sip_call_id = %id, "dialling");
    let caller = stack.dialled.note_named((id.clone(), local_tag));
    let side = Side::Outbound { invite, caller };
    let call =
        Call::new(stack.clone(), dialog, side, states, queues, media.clone(), receiving, local, ring_until);
    stack.tasks.spawn(call.run());
    Ok(Box::new(DirectLeg::new(id, media, leg_queues)))
}

/// Opens a connection where the transport has any, or finds the one that is open. Without this the
/// stack would take a trunk that cannot be reached, or is not who it should be, for one that rings.
async fn connect(stack: &Stack, destination: &SipAddr) -> Result<(), DialError> {
    if destination.r#type == Some(sip::Transport::Udp) {
        return Ok(());
    }
    let failed = |why: &str| DialError::Sip(format!("the trunk cannot be reached: {why}"));
    match timeout(CONNECT, stack.endpoint().transport_layer.lookup(destination, None)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_) => Err(failed("no answer in time")),
    }
}

/// Our side of the session.
pub(super) fn describe(stack: &Stack, media: &Media) -> Local {
    Local {
        address: stack.config.advertised_ip,
        port: media.port(),
        session: u64::from(rand::random::<u32>()),
        version: 1,
        codecs: vec![Law::Mu, Law::A],
    }
}

/// A trunk's address, taken apart.
struct Target {
    address: HostWithPort,
    transport: sip::Transport,
}

impl Target {
    fn of(trunk: &Trunk) -> Result<Self, DialError> {
        let unusable = || DialError::Address(trunk.address.clone());
        let plain = trunk.address.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
        let address = HostWithPort::try_from(trunk.address.as_str()).map_err(|_| unusable())?;
        if !plain || trunk.address.is_empty() {
            return Err(unusable());
        }
        let transport = match trunk.transport {
            Transport::Udp => sip::Transport::Udp,
            Transport::Tcp => sip::Transport::Tcp,
            Transport::Tls => sip::Transport::Tls,
        };
        Ok(Self { address, transport })
    }

    fn port(&self) -> u16 {
        let usual = if self.transport == sip::Transport::Tls { SIPS_PORT } else { SIP_PORT };
        self.address.port.as_ref().map_or(usual, sip::Port::value)
    }

    /// Where to send, and its address. For TLS the former keeps the name, because the certificate
    /// is checked against it.
    async fn resolve(&self) -> Result<(SipAddr, SocketAddr), DialError> {
        let unusable = || DialError::Address(self.address.to_string());
        let host = self.address.host.to_string();
        let host = host.trim_matches(['[', ']']);
        let lookup = timeout(RESOLVE, lookup_host((host, self.port()))).await;
        let mut found = lookup.map_err(|_| unusable())?.map_err(|_| unusable())?;
        let address: SocketAddr = found.next().ok_or_else(unusable)?;
        let addr = if self.transport == sip::Transport::Tls {
            HostWithPort { host: self.address.host.clone(), port: Some(self.port().into()) }
        } else {
            address.into()
        };
        Ok((SipAddr::new(self.transport, addr), address))
    }

    fn uri(&self, user: &str) -> Uri {
        let tls = self.transport == sip::Transport::Tls;
        let params = if self.transport == sip::Transport::Tcp {
            vec![Param::Transport(self.transport)]
        } else {
            Vec::new()
        };
        Uri {
            scheme: Some(if tls { Scheme::Sips } else { Scheme::Sip }),
            auth: Some(user.into()),
            host_with_port: self.address.clone(),
            params,
            ..Uri::default()
        }
    }
}

fn invite(
    stack: &Stack,
    request: &DialRequest,
    target: &Target,
    destination: SipAddr,
    offer: String,
) -> Result<InviteOption, DialError> {
    let own = |user: &str| Uri {
        scheme: Some(Scheme::Sip),
        auth: Some(user.into()),
        host_with_port: stack.advertised().into(),
        ..Uri::default()
    };
    let call_id = uuid::Uuid::from_u128(rand::random()).simple();
    Ok(InviteOption {
        caller: own(request.from.as_str()),
        callee: target.uri(request.to.as_str()),
        destination: Some(destination),
        offer: Some(offer.into_bytes()),
        contact: own(request.from.as_str()),
        credential: credential(&request.trunk),
        headers: Some(headers(&request.headers)?),
        call_id: Some(format!("{call_id}@{}", stack.config.advertised_ip)),
        ..InviteOption::default()
    })
}

fn credential(trunk: &Trunk) -> Option<Credential> {
    let (username, password) = (trunk.username.clone()?, trunk.password.clone()?);
    Some(Credential { username, password, realm: None, auth_username: None })
}

/// The caller's own headers. One that could smuggle in another line is refused.
fn headers(extra: &[(String, String)]) -> Result<Vec<Header>, DialError> {
    let mut headers = vec![allow()];
    for (name, value) in extra {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_.!%*+`'~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.chars().any(char::is_control) {
            return Err(DialError::Sip(format!("header `{name}` is not allowed")));
        }
        headers.push(Header::Other(name.clone(), value.clone()));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(address: &str) -> Trunk {
        Trunk { address: address.to_owned(), transport: Transport::Udp, username: None, password: None }
    }

    #[tokio::test]
    async fn addresses_resolve_with_the_usual_port_and_nonsense_does_not() {
        for (text, resolved) in [("127.0.0.1", "127.0.0.1:5060"), ("127.0.0.1:5080", "127.0.0.1:5080")] {
            let (destination, address) = Target::of(&trunk(text)).unwrap().resolve().await.unwrap();
            assert_eq!(destination.addr.to_string(), resolved);
            assert_eq!(address.to_string(), resolved);
        }
        for nonsense in ["", "not a host", "sip:1.2.3.4", "host:99999", "a\r\nb", "<x>"] {
            let target = Target::of(&trunk(nonsense));
            let refused = match target {
                Ok(target) => target.resolve().await.is_err(),
                Err(_) => true,
            };
            assert!(refused, "{nonsense}");
        }
    }

    #[test]
    fn headers_cannot_smuggle_in_others() {
        let header = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
        assert!(header("X-Talkif-Call", "call_1").is_ok());
        assert!(header("X-A\r\nVia", "1").is_err());
        assert!(header("X-A", "1\r\nVia: 2").is_err());
        assert!(header("", "1").is_err());
    }
}
