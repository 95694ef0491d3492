use std::path::{Path, PathBuf};

/// Why a private server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The system package is not installed.
    #[error("`{program}` is not installed: {install}")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// What installs it, by platform.
        install: &'static str,
    },
    /// Postgres refuses to run as root, and there is no way to become somebody else.
    #[error("servers must not run as root, and no user `postgres` or `nobody` or no `setpriv` was found")]
    NoUnprivilegedUser,
    /// A file or process operation failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// Such as `cannot write`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server ended or never answered.
    #[error("{server} did not start ({reason}); its log ends:\n{log}")]
    NotStarted {
        /// `postgres`, `redis-server` or `initdb`.
        server: &'static str,
        /// What was observed.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server ended later on.
    #[error("{server} has ended ({reason}); its log ends:\n{log}")]
    Ended {
        /// Its program.
        server: &'static str,
        /// What was observed.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// A server that is built from source cannot be built here.
    #[error("{0}")]
    CannotBuild(String),
    /// A database could not be created, dropped or migrated.
    #[error("database: {0}")]
    Database(String),
}

impl EmbeddedError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn database(error: impl std::fmt::Display) -> Self {
        Self::Database(error.to_string())
    }
}
