//! A signalling socket that is lost in mid-call.

use crate::party::Party;
use crate::world::{World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_livekit::{LiveKitConfig, LiveKitTelephony};
use talkif_model::Region;
use talkif_telephony::{LegEvent, Telephony};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) fn cases() -> Vec<Case> {
    cases![a_call_survives_the_loss_of_its_signalling]
}

/// A line to the server's port that can be cut.
struct Line {
    address: SocketAddr,
    cuts: watch::Sender<u32>,
}

impl Line {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, server, cut.clone()));
            }
        });
        Self { address, cuts }
    }

    /// Ends all connections; new ones are carried again.
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(mut near: TcpStream, server: SocketAddr, mut cut: watch::Receiver<u32>) {
    cut.mark_unchanged();
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.changed() => {}
    }
}

async fn a_call_survives_the_loss_of_its_signalling(world: Arc<World>) {
    let line = Line::to(world.url.trim_start_matches("ws://").parse().unwrap()).await;
    // Of another region, so that it takes no calls of the other cases.
    let telephony = LiveKitTelephony::start(LiveKitConfig {
        url: format!("ws://{}", line.address),
        api_key: world.key.0.clone(),
        api_secret: world.key.1.clone(),
        region: Region::TrIst,
        slots: 1,
        allow: vec!["127.0.0.2/32".to_owned()],
        numbers: None,
    });
    let phone = phone().await;
    let leg = telephony.dial(request(phone.local_addr(), &fresh_number())).await.unwrap();
    let (mut agent, mut person) = (Party::new(leg), rings(&phone).await);
    person.answer().await;
    agent.speak();
    person.speak();
    tokio::join!(
        async {
            agent.until(&LegEvent::Answered).await;
            agent.hears().await;
        },
        person.hears(),
    );
    for _ in 0..2 {
        line.cut();
        let time = Duration::from_secs(3);
        tokio::join!(agent.stays(time), person.stays(time));
    }
    let (received, lost) = agent.received_and_lost();
    assert!(received > 250, "{received} packets in six seconds");
    // A resume looks for a new path to us, and a few packets may fall between the two.
    assert!(lost <= 10, "{lost} packets of {received} lost");
    person.hang_up();
    let ((how, _), _) = tokio::join!(agent.end(), person.end());
    assert_eq!(how, LegEnd::RemoteHangup, "only the resumed signalling can tell");
}
