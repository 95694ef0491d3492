//! One phone's RTP socket, with ordered loss and jitter.

use super::Phone;
use super::ear::{Ear, News};
use super::log::Packets;
use super::mouth::Mouth;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use talkif_media::g711::Law;
use talkif_media::sdp::{Agreed, Local};
use tokio::net::UdpSocket;

/// The largest datagram RTP telephony sends.
const DATAGRAM: usize = 2048;

/// Ports for RTP; without a range the system chooses.
#[derive(Debug)]
pub(super) struct RtpPorts {
    range: Option<RangeInclusive<u16>>,
    next: AtomicU16,
}

impl RtpPorts {
    pub(super) fn new(range: Option<RangeInclusive<u16>>) -> Self {
        let next = AtomicU16::new(range.as_ref().map_or(0, |range| *range.start()));
        Self { range, next }
    }

    /// Binds the next free even port.
    pub(super) async fn bind(&self, address: IpAddr) -> io::Result<UdpSocket> {
        let Some(range) = &self.range else { return UdpSocket::bind((address, 0)).await };
        let pairs = (range.end() - range.start()) / 2 + 1;
        for _ in 0..pairs {
            let step = self.next.fetch_add(2, Ordering::Relaxed).wrapping_sub(*range.start()) % (pairs * 2);
            if let Ok(socket) = UdpSocket::bind((address, range.start() + step)).await {
                return Ok(socket);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free RTP port"))
    }
}

/// Our side of the session description.
pub(super) fn describe(socket: &UdpSocket) -> io::Result<Local> {
    let address = socket.local_addr()?;
    let session = u64::from(rand::random::<u32>());
    let codecs = vec![Law::A, Law::Mu];
    Ok(Local { address: address.ip(), port: address.port(), session, version: 1, codecs })
}

pub(super) struct Line {
    socket: Arc<UdpSocket>,
    remote: SocketAddr,
    pub(super) ear: Ear,
    pub(super) mouth: Mouth,
    phone: Phone,
    chance: SmallRng,
    sent: u64,
    buffer: Vec<u8>,
}

impl Line {
    pub(super) fn new(
        socket: UdpSocket,
        remote: SocketAddr,
        agreed: Agreed,
        phone: Phone,
    ) -> io::Result<Self> {
        Ok(Self {
            socket: Arc::new(socket),
            remote,
            ear: Ear::new(agreed.telephone_event).map_err(io::Error::other)?,
            mouth: Mouth::new(agreed),
            phone,
            chance: SmallRng::from_os_rng(),
            sent: 0,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// The next packet from the product; cancel-safe. What is lost on order counts as never
    /// received, and what is not RTP as nothing.
    pub(super) async fn receive(&mut self) -> News {
        let Ok((length, from)) = self.socket.recv_from(&mut self.buffer).await else {
            // An ICMP refusal: the product's port is closed for the moment.
            tokio::time::sleep(Duration::from_millis(5)).await;
            return News::default();
        };
        if self.unlucky() {
            return News::default();
        }
        // Symmetric RTP: answer to where the packets come from.
        self.remote = from;
        self.ear.take(&self.buffer[..length]).unwrap_or_default()
    }

    /// Sends the packet of this 20 ms, unless it is lost, perhaps late.
    pub(super) async fn tick(&mut self) {
        let datagram = self.mouth.tick();
        self.sent += 1;
        if self.unlucky() {
            return;
        }
        let (socket, remote) = (Arc::clone(&self.socket), self.remote);
        if self.phone.jitter_ms == 0 {
            let _ = socket.send_to(&datagram, remote).await;
            return;
        }
        let late = Duration::from_millis(self.chance.random_range(0..=self.phone.jitter_ms));
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            let _ = socket.send_to(&datagram, remote).await;
        });
    }

    pub(super) fn redirect(&mut self, remote: SocketAddr) {
        self.remote = remote;
    }

    pub(super) fn packets(&self) -> Packets {
        Packets { sent: self.sent, ..self.ear.packets }
    }

    fn unlucky(&mut self) -> bool {
        self.phone.loss > 0.0 && self.chance.random::<f64>() < self.phone.loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ports_come_from_the_range_and_run_out() {
        let ports = RtpPorts::new(Some(47_100..=47_103));
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = ports.bind(local).await.unwrap();
        let second = ports.bind(local).await.unwrap();
        let mut bound = [first.local_addr().unwrap().port(), second.local_addr().unwrap().port()];
        bound.sort_unstable();
        assert_eq!(bound, [47_100, 47_102]);
        assert!(ports.bind(local).await.is_err());
    }
}
