//! The way to the server that is lost in mid-call: its signalling, the session behind it, or all
//! of it for a while.

use crate::party::Party;
use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use livekit_api::services::LiveKitApi;
use std::fs::DirEntry;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_livekit::{LiveKitConfig, LiveKitTelephony};
use talkif_model::Region;
use talkif_telephony::{DirectTelephony, LegEvent, Telephony};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_call_survives_the_loss_of_its_signalling,
        a_session_that_the_server_has_dropped_is_begun_anew_in_mid_call,
        a_call_survives_a_server_that_stands_still_for_a_while,
        a_call_whose_livekit_sip_stands_still_is_lost_before_the_server_says_so,
        a_call_whose_agent_is_put_out_of_the_room_ends,
    ]
}

/// A line to the server's port that can be cut.
struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cuts: u32,
    is_closed: bool,
}

impl Line {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State::default());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if !seen.borrow().is_closed {
                    tokio::spawn(carry(near, server, seen.clone()));
                }
            }
        });
        Self { address, state }
    }

    /// Ends all connections; new ones are carried again.
    fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Ends all connections, and takes no new ones until it is opened.
    fn close(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, is_closed: true });
    }

    fn open(&self) {
        self.state.send_modify(|state| state.is_closed = false);
    }
}

async fn carry(mut near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let before = state.borrow_and_update().cuts;
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = state.wait_for(|state| state.cuts != before) => {}
    }
}

/// A call through a node of its own, in which both sides are heard.
struct Call {
    agent: Party,
    person: Party,
    /// Our identity in the room.
    identity: String,
    line: Line,
    server_port: u16,
    _telephony: LiveKitTelephony,
    _phone: DirectTelephony,
}

impl Call {
    async fn talking(world: &World) -> Self {
        let server: SocketAddr = world.url.trim_start_matches("ws://").parse().unwrap();
        let line = Line::to(server).await;
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
        let request = request(phone.local_addr(), &fresh_number());
        let identity = format!("agent-{}", request.call_id);
        let leg = telephony.dial(request).await.unwrap();
        let (agent, mut person) = (Party::new(leg), rings(&phone).await);
        person.answer().await;
        let server_port = server.port();
        let mut call =
            Self { agent, person, identity, line, server_port, _telephony: telephony, _phone: phone };
        call.agent.speak();
        call.person.speak();
        call.agent.until(&LegEvent::Answered).await;
        call.are_heard().await;
        call
    }

    /// Both sides are heard from now on.
    async fn are_heard(&mut self) {
        self.agent.forget();
        self.person.forget();
        self.agent.hear_each_other(&mut self.person).await;
    }

    async fn goes_on_for(&mut self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        tokio::join!(self.agent.stays(time), self.person.stays(time));
    }

    /// The person hangs up, and the agent is told.
    async fn ends(&mut self, world: &World) {
        self.person.hang_up();
        let room = self.agent.room();
        // Only the signalling can tell.
        tokio::join!(world.is_hung_up_on(&mut self.agent, &room, SOON), self.person.end());
    }
}

/// Puts the agent of that name out of its room, by way of the server's API.
async fn put_out(world: &World, agent: &str) {
    let api = LiveKitApi::with_api_key(&world.url, &world.key.0, &world.key.1);
    for room in api.room().list_rooms(Vec::new()).await.unwrap() {
        let people = api.room().list_participants(&room.name).await.unwrap_or_default();
        if people.iter().any(|person| person.identity == agent) {
            return api.room().remove_participant(&room.name, agent).await.unwrap();
        }
    }
    panic!("the agent is in no room");
}

async fn a_call_survives_the_loss_of_its_signalling(world: Arc<World>) {
    let mut call = Call::talking(&world).await;
    for _ in 0..2 {
        call.line.cut();
        call.goes_on_for(3).await;
    }
    let (received, lost) = call.agent.received_and_lost();
    assert!(received > 250, "{received} packets in six seconds");
    // A resume looks for a new path to us, and a few packets may fall between the two.
    assert!(lost <= 10, "{lost} packets of {received} lost");
    call.ends(&world).await;
}

async fn a_session_that_the_server_has_dropped_is_begun_anew_in_mid_call(world: Arc<World>) {
    let mut call = Call::talking(&world).await;
    call.line.close();
    put_out(&world, &call.identity.clone()).await;
    call.goes_on_for(1).await;
    call.line.open();
    call.are_heard().await;
    call.ends(&world).await;
}

/// The server's machine stops, as it does when it is moved: neither signalling nor media get
/// through, and all that was sent meanwhile arrives at once.
async fn a_call_survives_a_server_that_stands_still_for_a_while(_: Arc<World>) {
    let world = World::start().await;
    let mut call = Call::talking(&world).await;
    let server = pid_of("livekit-server", call.server_port);
    assert!(signal("-STOP", &server));
    call.goes_on_for(8).await;
    assert!(signal("-CONT", &server));
    call.are_heard().await;
    call.ends(&world).await;
}

/// `livekit-server` waits for 20 s for a `livekit-sip` that has gone, or of which it has lost that
/// somebody hung up.
async fn a_call_whose_livekit_sip_stands_still_is_lost_before_the_server_says_so(_: Arc<World>) {
    let world = World::start().await;
    let mut call = Call::talking(&world).await;
    let sip = pid_of("livekit-sip", world.sip.port());
    assert!(signal("-STOP", &sip));
    let (how, _) = call.agent.end_within(Duration::from_secs(17)).await;
    assert_eq!(how, LegEnd::Failed { detail: "media lost".to_owned() });
    assert!(signal("-CONT", &sip));
    assert_eq!(call.person.end().await.0, LegEnd::RemoteHangup);
}

/// The server of this name whose settings name this port. Its supervisor has it among its
/// arguments, too.
fn pid_of(name: &str, port: u16) -> String {
    let settings_of = |process: &DirEntry| {
        let arguments = std::fs::read_to_string(process.path().join("cmdline")).ok()?;
        let (_, arguments) = arguments.split_once('\0').filter(|(program, _)| program.ends_with(name))?;
        let path = arguments.split('\0').find(|argument| argument.ends_with(".yaml"))?;
        std::fs::read_to_string(path).ok()
    };
    let is_it = |process: &DirEntry| {
        settings_of(process).is_some_and(|settings| settings.contains(&format!("port: {port}\n")))
    };
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.find(is_it).expect("the server runs").file_name().into_string().unwrap()
}

fn signal(name: &str, pid: &str) -> bool {
    Command::new("kill").args([name, pid]).status().unwrap().success()
}

async fn a_call_whose_agent_is_put_out_of_the_room_ends(world: Arc<World>) {
    let mut call = Call::talking(&world).await;
    put_out(&world, &call.identity.clone()).await;
    let (agent, person) = tokio::join!(call.agent.end(), call.person.end());
    assert!(
        matches!(&agent.0, LegEnd::Failed { detail } if detail.contains("PARTICIPANT_REMOVED")),
        "{agent:?}"
    );
    assert_eq!(person.0, LegEnd::RemoteHangup, "nobody is left with nobody");
}
