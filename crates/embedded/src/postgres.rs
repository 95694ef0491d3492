//! A private Postgres.

use crate::EmbeddedError;
use crate::supervisor::{Server, Supervisor};
use crate::system::{self, RunAs};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

const INSTALL: &str = "apt-get install postgresql (Debian, Ubuntu), dnf install postgresql-server (Fedora), \
                       brew install postgresql (macOS)";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Somebody else may take the free port before Postgres does.
const START_ATTEMPTS: usize = 3;

/// Whether committed data survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As Postgres is meant to be run.
    Durable,
    /// Nothing is flushed: for tests, whose data nobody misses. The directory is removed when
    /// the server ends.
    Throwaway,
}

/// A private Postgres. It ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct Postgres {
    supervisor: Supervisor,
    port: u16,
    home: Home,
}

impl Postgres {
    /// Starts a durable server with its data in `directory`, which is made on first use.
    ///
    /// # Errors
    /// [`EmbeddedError::Missing`] if Postgres is not installed; the others say what they mean.
    pub async fn start(directory: &Path) -> Result<Self, EmbeddedError> {
        Self::start_with(directory, Durability::Durable).await
    }

    /// As [`Postgres::start`], with a choice about durability.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn start_with(directory: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let home = Home::prepare(directory, durability)?;
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            let port = system::free_port()?;
            match home.launch(port).await {
                Ok(supervisor) => return Ok(Self { supervisor, port, home }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(EmbeddedError::NoUnprivilegedUser))
    }

    /// The address of `database` on this server, as its superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://talkif:{}@127.0.0.1:{}/{database}", self.home.password, self.port)
    }

    /// The loopback port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Creates `database` unless it exists.
    ///
    /// # Errors
    /// [`EmbeddedError::Database`] with Postgres' words.
    pub async fn create_database(&self, database: &str) -> Result<(), EmbeddedError> {
        let mut connection =
            PgConnection::connect(&self.url("postgres")).await.map_err(EmbeddedError::database)?;
        let created = connection.execute(AssertSqlSafe(format!("create database \"{database}\""))).await;
        match created {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P04") => Ok(()),
            other => other.map(|_| ()).map_err(EmbeddedError::database),
        }
    }

    /// The supervising shell; the server and its processes are below it.
    #[must_use]
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.pid()
    }

    /// Starts a server that was killed again, at the same address and with the same data.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.supervisor.stop();
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match self.home.launch(self.port).await {
                Ok(supervisor) => {
                    self.supervisor = supervisor;
                    return Ok(());
                }
                // Postgres does not start while a killed server's last process still ends.
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        last.map_or(Ok(()), Err)
    }

    /// Stops the server: fast shutdown, then kill. Blocks up to a few seconds.
    pub fn stop(mut self) {
        self.supervisor.stop();
    }
}

/// A prepared data directory.
#[derive(Debug)]
struct Home {
    server: PathBuf,
    directory: PathBuf,
    data: PathBuf,
    user: RunAs,
    password: String,
    durability: Durability,
}

impl Home {
    fn prepare(directory: &Path, durability: Durability) -> Result<Self, EmbeddedError> {
        let initdb = system::find("initdb", INSTALL)?;
        let server = system::find("postgres", INSTALL)?;
        let user = RunAs::choose()?;
        fs::create_dir_all(directory).map_err(EmbeddedError::io("cannot create", directory))?;
        let directory = directory.canonicalize().map_err(EmbeddedError::io("cannot find", directory))?;
        system::private_directory(&directory, &user)?;
        let data = directory.join("data");
        let password_file = directory.join("password");
        if !data.join("PG_VERSION").is_file() {
            system::private_file(&password_file, &system::random_hex(16), &user)?;
            init(&initdb, &user, &data, &password_file, &directory.join("initdb.log"))?;
        }
        let password =
            fs::read_to_string(&password_file).map_err(EmbeddedError::io("cannot read", &password_file))?;
        Ok(Self { server, directory, data, user, password, durability })
    }

    async fn launch(&self, port: u16) -> Result<Supervisor, EmbeddedError> {
        let log = self.directory.join("postgres.log");
        let mut supervisor = Supervisor::start(Server {
            program: &self.server,
            arguments: self.arguments(port),
            log: &log,
            user: &self.user,
            scratch: (self.durability == Durability::Throwaway).then_some(self.directory.as_path()),
        })?;
        let url = format!("postgres://talkif:{}@127.0.0.1:{port}/postgres", self.password);
        wait_until_ready(&mut supervisor, &url, &log).await?;
        Ok(supervisor)
    }

    fn arguments(&self, port: u16) -> Vec<String> {
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        if self.durability == Durability::Throwaway {
            settings
                .extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        let data = ["-D".to_owned(), self.data.display().to_string()];
        data.into_iter().chain(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting])).collect()
    }
}

/// Passwords cross loopback in the clear (`password`): the slow key derivation of SCRAM would
/// only make each of many short test connections slower.
fn init(
    initdb: &Path,
    user: &RunAs,
    data: &Path,
    password_file: &Path,
    log: &Path,
) -> Result<(), EmbeddedError> {
    let mut words = user.prefix();
    words.push(initdb.display().to_string());
    words.extend(
        ["--username=talkif", "--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync"]
            .map(str::to_owned),
    );
    words.push(format!("--pwfile={}", password_file.display()));
    words.push(format!("--pgdata={}", data.display()));
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let output = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .output()
        .map_err(EmbeddedError::io("cannot run", initdb))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    // The error carries the words; the file only keeps them for later.
    let _ = fs::write(log, &words);
    Err(EmbeddedError::NotStarted { server: "initdb", reason: output.status.to_string(), log: words })
}

async fn wait_until_ready(supervisor: &mut Supervisor, url: &str, log: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut reason = String::from("no answer");
    while Instant::now() < deadline {
        if let Some(status) = supervisor.ended() {
            reason = status;
            break;
        }
        match PgConnection::connect(url).await {
            Ok(connection) => return connection.close().await.map_err(EmbeddedError::database),
            Err(error) => reason = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Err(EmbeddedError::NotStarted { server: "postgres", reason, log: system::tail(log) })
}
