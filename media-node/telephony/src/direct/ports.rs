//! Sockets for RTP from a range of ports.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;

/// Binds even ports of a range in turn, so that a port rests before its next call: late packets
/// of the last one do not land in it.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    even: Vec<u16>,
    next: AtomicUsize,
}

impl Ports {
    pub(super) fn new(ip: IpAddr, range: RangeInclusive<u16>) -> Self {
        let even = range.filter(|port| port % 2 == 0).collect();
        Self { ip, even, next: AtomicUsize::new(0) }
    }

    /// A socket on the next free port.
    pub(super) async fn bind(&self) -> io::Result<UdpSocket> {
        for _ in 0..self.even.len() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.even.len();
            let port = self.even.get(turn).copied().unwrap_or_default();
            match UdpSocket::bind(SocketAddr::new(self.ip, port)).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "all RTP ports are in use"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn any_free_port_is_taken_from_the_range_zero() {
        let ports = Ports::new(Ipv4Addr::LOCALHOST.into(), 0..=0);
        let (first, second) = (ports.bind().await.unwrap(), ports.bind().await.unwrap());
        assert_ne!(first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
    }

    #[tokio::test]
    async fn a_range_gives_each_even_port_once_and_then_none() {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = free.local_addr().unwrap().port() & !1;
        drop(free);
        let ports = Ports::new(Ipv4Addr::LOCALHOST.into(), base..=base + 1);
        let only = ports.bind().await.unwrap();
        assert_eq!(only.local_addr().unwrap().port(), base);
        assert!(ports.bind().await.is_err());
    }
}
