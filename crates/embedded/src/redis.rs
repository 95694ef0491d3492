//! A private Redis. It keeps nothing on disk: losing it loses nothing.

use crate::EmbeddedError;
use crate::supervisor::{Server, Supervisor};
use crate::system::{self, RunAs};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

const INSTALL: &str =
    "apt-get install redis-server (Debian, Ubuntu), dnf install redis (Fedora), brew install redis (macOS)";
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// One for each test that wants its own.
const DATABASES: u32 = 4096;

/// A private Redis. It ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct Redis {
    supervisor: Supervisor,
    port: u16,
    password: String,
    home: Home,
}

/// A prepared directory.
#[derive(Debug)]
struct Home {
    program: PathBuf,
    directory: PathBuf,
    configuration: PathBuf,
    throwaway: bool,
    user: RunAs,
}

impl Redis {
    /// Starts a server whose configuration and log lie in `directory`.
    ///
    /// # Errors
    /// [`EmbeddedError::Missing`] if Redis is not installed; the others say what they mean.
    pub async fn start(directory: &Path) -> Result<Self, EmbeddedError> {
        Self::launch(directory, false, RunAs::choose()?).await
    }

    /// As [`Redis::start`]; the directory is removed when the server ends.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_throwaway(directory: &Path) -> Result<Self, EmbeddedError> {
        Self::launch(directory, true, RunAs::choose()?).await
    }

    /// As [`Redis::start`], in a directory that only we may enter.
    pub(crate) async fn start_as_ourselves(directory: &Path) -> Result<Self, EmbeddedError> {
        Self::launch(directory, false, RunAs::Ourselves).await
    }

    async fn launch(directory: &Path, throwaway: bool, user: RunAs) -> Result<Self, EmbeddedError> {
        let program = system::find("redis-server", INSTALL)?;
        std::fs::create_dir_all(directory).map_err(EmbeddedError::io("cannot create", directory))?;
        let directory = directory.canonicalize().map_err(EmbeddedError::io("cannot find", directory))?;
        system::private_directory(&directory, &user)?;
        let (port, password) = (system::free_port()?, system::random_hex(16));
        let configuration = directory.join("redis.conf");
        system::private_file(&configuration, &settings(port, &password, &directory), &user)?;
        let home = Home { program, directory, configuration, throwaway, user };
        let supervisor = home.launch(&address(port, &password, 0)).await?;
        Ok(Self { supervisor, port, password, home })
    }

    /// The supervising shell; the server is below it.
    #[must_use]
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.pid()
    }

    /// Starts a server that was killed again, empty, at the same address.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.supervisor.stop();
        self.supervisor = self.home.launch(&self.url()).await?;
        Ok(())
    }

    /// The address of this server's database 0.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url(0)
    }

    /// The address of one of its 4096 databases.
    #[must_use]
    pub fn database_url(&self, database: u32) -> String {
        address(self.port, &self.password, database)
    }

    /// The loopback port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What clients have to say.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Stops the server. Blocks up to a few seconds.
    pub fn stop(mut self) {
        self.supervisor.stop();
    }
}

impl Home {
    async fn launch(&self, url: &str) -> Result<Supervisor, EmbeddedError> {
        let log = self.directory.join("redis.log");
        let mut supervisor = Supervisor::start(Server {
            program: &self.program,
            arguments: vec![self.configuration.display().to_string()],
            log: &log,
            user: &self.user,
            scratch: self.throwaway.then_some(self.directory.as_path()),
        })?;
        wait_until_ready(&mut supervisor, url, &log).await?;
        Ok(supervisor)
    }
}

fn address(port: u16, password: &str, database: u32) -> String {
    format!("redis://:{password}@127.0.0.1:{port}/{database}")
}

fn settings(port: u16, password: &str, directory: &Path) -> String {
    format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndatabases {DATABASES}\ndir \"{}\"\n\
         save \"\"\nappendonly no\ndaemonize no\n",
        directory.display()
    )
}

async fn wait_until_ready(supervisor: &mut Supervisor, url: &str, log: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut reason = String::from("no answer");
    while Instant::now() < deadline {
        if let Some(status) = supervisor.ended() {
            reason = status;
            break;
        }
        match ping(url).await {
            Ok(()) => return Ok(()),
            Err(error) => reason = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Err(EmbeddedError::NotStarted { server: "redis-server", reason, log: system::tail(log) })
}

async fn ping(url: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}
