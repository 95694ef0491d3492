//! A private `livekit-server` and `livekit-sip`, with the Redis that joins them.
//!
//! All of it listens on loopback, except that `livekit-sip` binds RTP on every interface, which
//! it cannot be told otherwise. [`programs`] finds or builds the two servers, [`settings`] writes
//! what they read.

mod programs;
mod settings;

use crate::supervisor::{Server, Supervisor};
use crate::system::{self, RunAs};
use crate::{EmbeddedError, Redis};
use programs::Programs;
use settings::{API_KEY, Ports};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one question to a starting server waits for its answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two questions.
const POLL: Duration = Duration::from_millis(50);

/// A private pair of LiveKit servers. They end when this is dropped or the process ends.
#[derive(Debug)]
pub struct LiveKit {
    // In the order in which they are stopped.
    sip: Supervisor,
    server: Supervisor,
    _redis: Redis,
    programs: Programs,
    folder: PathBuf,
    ports: Ports,
    secret: String,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveKitPart {
    /// `livekit-server`: rooms and the API.
    Server,
    /// `livekit-sip`: the telephone side.
    Sip,
}

impl LiveKit {
    /// Whether both programs are there already, so that a start takes seconds.
    #[must_use]
    pub fn is_built() -> bool {
        Programs::find().is_some()
    }

    /// Builds what is not there. The first time this takes minutes.
    ///
    /// # Errors
    /// [`EmbeddedError::CannotBuild`] says in one sentence what the machine lacks.
    pub async fn prepare() -> Result<(), EmbeddedError> {
        Programs::find_or_build().await.map(|_| ())
    }

    /// Starts both servers; settings, keys and logs lie in `folder`. `webhook` is an address that
    /// `livekit-server` tells about rooms and participants.
    ///
    /// # Errors
    /// As [`LiveKit::prepare`], and if a server does not come up.
    pub async fn start(folder: &Path, webhook: Option<&str>) -> Result<Self, EmbeddedError> {
        let programs = Programs::find_or_build().await?;
        system::private_directory(folder, &RunAs::Ourselves)?;
        let folder = folder.canonicalize().map_err(EmbeddedError::io("cannot find", folder))?;
        let redis = Redis::start_as_ourselves(&folder.join("redis")).await?;
        let (ports, secret) = (Ports::choose()?, system::random_hex(24));
        let server = settings::server(&ports, &redis, &secret, webhook);
        system::private_file(&folder.join("livekit-server.yaml"), &server, &RunAs::Ourselves)?;
        let sip = settings::sip(&ports, &redis, &secret);
        system::private_file(&folder.join("livekit-sip.yaml"), &sip, &RunAs::Ourselves)?;
        let server = launch(&programs.server, &folder, "livekit-server")?;
        let server = wait_for_server(server, &ports, &folder).await?;
        let sip = launch(&programs.sip, &folder, "livekit-sip")?;
        let sip = wait_for_sip(sip, &ports, &folder).await?;
        Ok(Self { sip, server, _redis: redis, programs, folder, ports, secret })
    }

    /// `ws://…`: rooms and, with `http`, the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.http)
    }

    /// The key of [`LiveKit::api_secret`].
    #[must_use]
    pub const fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// Signs tokens.
    #[must_use]
    pub fn api_secret(&self) -> &str {
        &self.secret
    }

    /// Where `livekit-sip` takes calls, UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.sip))
    }

    /// An error, with the end of its log, if one of the servers has ended.
    ///
    /// # Errors
    /// [`EmbeddedError::Ended`].
    pub fn check(&mut self) -> Result<(), EmbeddedError> {
        for (name, supervisor) in [("livekit-server", &mut self.server), ("livekit-sip", &mut self.sip)] {
            if let Some(reason) = supervisor.ended() {
                let log = system::tail(&log_of(&self.folder, name));
                return Err(EmbeddedError::Ended { server: name, reason, log });
            }
        }
        Ok(())
    }

    /// Kills one of the servers without any ceremony, as a crash would. Blocks until it is gone.
    pub fn kill(&mut self, part: LiveKitPart) {
        match part {
            LiveKitPart::Server => self.server.kill(),
            LiveKitPart::Sip => self.sip.kill(),
        }
    }

    /// Starts a server again that was killed, at its former address.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn restart(&mut self, part: LiveKitPart) -> Result<(), EmbeddedError> {
        match part {
            LiveKitPart::Server => {
                let server = launch(&self.programs.server, &self.folder, "livekit-server")?;
                self.server = wait_for_server(server, &self.ports, &self.folder).await?;
            }
            LiveKitPart::Sip => {
                let sip = launch(&self.programs.sip, &self.folder, "livekit-sip")?;
                self.sip = wait_for_sip(sip, &self.ports, &self.folder).await?;
            }
        }
        Ok(())
    }

    /// Stops both. Blocks up to a few seconds.
    pub fn stop(mut self) {
        self.sip.stop();
        self.server.stop();
    }
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// They need no rights and hold no data, so they run as ourselves, from our own cache folder.
fn launch(program: &Path, folder: &Path, name: &str) -> Result<Supervisor, EmbeddedError> {
    Supervisor::start(Server {
        program,
        arguments: vec!["--config".into(), folder.join(format!("{name}.yaml")).display().to_string()],
        log: &log_of(folder, name),
        user: &RunAs::Ourselves,
        scratch: None,
    })
}

async fn wait_for_server(
    mut server: Supervisor,
    ports: &Ports,
    folder: &Path,
) -> Result<Supervisor, EmbeddedError> {
    let port = ports.http;
    wait(&mut server, "livekit-server", folder, || answers_http(port)).await?;
    Ok(server)
}

async fn wait_for_sip(
    mut sip: Supervisor,
    ports: &Ports,
    folder: &Path,
) -> Result<Supervisor, EmbeddedError> {
    let port = ports.sip;
    wait(&mut sip, "livekit-sip", folder, || answers_sip(port)).await?;
    Ok(sip)
}

async fn wait<F: Future<Output = std::io::Result<bool>>>(
    supervisor: &mut Supervisor,
    server: &'static str,
    folder: &Path,
    ask: impl Fn() -> F,
) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut reason = String::from("no answer");
    while Instant::now() < deadline {
        if let Some(status) = supervisor.ended() {
            reason = status;
            break;
        }
        match timeout(PATIENCE, ask()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Err(error)) => reason = error.to_string(),
            Ok(Ok(false)) | Err(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
    Err(EmbeddedError::NotStarted { server, reason, log: system::tail(&log_of(folder, server)) })
}

/// `livekit-server` answers its root with 200 once it has joined Redis.
async fn answers_http(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().is_some_and(|status| status.contains(" 200 ")))
}

/// Any final answer to OPTIONS shows that SIP is served.
async fn answers_sip(port: u16) -> std::io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let own = socket.local_addr()?;
    let tag = system::random_hex(6);
    let request = format!(
        "OPTIONS sip:ping@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{tag};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:ping@{own}>;tag={tag}\r\nTo: <sip:ping@127.0.0.1:{port}>\r\n\
         Call-ID: {tag}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), (Ipv4Addr::LOCALHOST, port)).await?;
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).await?;
    Ok(buffer[..length].starts_with(b"SIP/2.0 "))
}
