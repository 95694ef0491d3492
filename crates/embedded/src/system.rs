//! What the machine offers: programs, an unprivileged user, free ports, files.

use crate::EmbeddedError;
use rand::{Rng as _, RngCore};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Directories beside `PATH` in which distributions and Homebrew put servers; `*` is any name.
const SERVER_DIRECTORIES: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
];

/// Finds `program` in `PATH` or where servers usually lie, the highest version first.
pub(crate) fn find(program: &'static str, install: &'static str) -> Result<PathBuf, EmbeddedError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = SERVER_DIRECTORIES.iter().flat_map(|pattern| expand(pattern));
    std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or(EmbeddedError::Missing { program, install })
}

/// `program` in `PATH` or, failing that, in one of `directories`.
pub(crate) fn on_path(program: &str, directories: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(directories.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// Directories that match `pattern`, whose one `*` stands in one path segment.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((head, tail)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (parent, prefix) = head.rsplit_once('/').unwrap_or(("", head));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(version_of(name)));
    names.into_iter().map(|name| format!("{parent}/{name}{tail}").into()).collect()
}

fn version_of(name: &str) -> u32 {
    name.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Who runs a server: ourselves, or somebody without rights when we are root.
#[derive(Debug, Clone)]
pub(crate) enum RunAs {
    /// Our own user.
    Ourselves,
    /// Another user, by `setpriv`.
    Other { setpriv: PathBuf, uid: u32, gid: u32 },
}

impl RunAs {
    pub(crate) fn choose() -> Result<Self, EmbeddedError> {
        if !we_are_root() {
            return Ok(Self::Ourselves);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = user_ids(&passwd, "postgres").or_else(|| user_ids(&passwd, "nobody"));
        let setpriv = find("setpriv", "").ok();
        match (user, setpriv) {
            (Some((uid, gid)), Some(setpriv)) => Ok(Self::Other { setpriv, uid, gid }),
            _ => Err(EmbeddedError::NoUnprivilegedUser),
        }
    }

    /// The words before a program that make it run as this user.
    pub(crate) fn prefix(&self) -> Vec<String> {
        match self {
            Self::Ourselves => Vec::new(),
            Self::Other { setpriv, uid, gid } => vec![
                setpriv.display().to_string(),
                format!("--reuid={uid}"),
                format!("--regid={gid}"),
                "--clear-groups".to_owned(),
                "--".to_owned(),
            ],
        }
    }

    /// Gives `path` to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).map_err(EmbeddedError::io("cannot give away", path))
            }
        }
    }
}

/// The owner of a fresh file is our effective user.
fn we_are_root() -> bool {
    let probe = std::env::temp_dir().join(format!("talkif-owner-{}-{}", std::process::id(), random_hex(4)));
    let owner = fs::File::create(&probe).and_then(|file| file.metadata()).map(|metadata| metadata.uid());
    // The probe has served; a leftover of zero bytes in the temporary directory harms nobody.
    let _ = fs::remove_file(&probe);
    owner.is_ok_and(|uid| uid == 0)
}

fn user_ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// A directory that only `user` enters.
pub(crate) fn private_directory(path: &Path, user: &RunAs) -> Result<(), EmbeddedError> {
    fs::create_dir_all(path).map_err(EmbeddedError::io("cannot create", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(EmbeddedError::io("cannot protect", path))?;
    user.own(path)
}

/// A file that only `user` reads.
pub(crate) fn private_file(path: &Path, content: &str, user: &RunAs) -> Result<(), EmbeddedError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(EmbeddedError::io("cannot write", path))?;
    user.own(path)
}

/// A port of 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, EmbeddedError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(EmbeddedError::io("cannot find a free port on", Path::new("127.0.0.1")))
}

/// Below the range from which systems give ports to whoever names none, so that nobody gets such
/// a port while its server is about to start, or about to start again.
const QUIET_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1 that was free a moment ago for both TCP and UDP.
pub(crate) fn quiet_port() -> Result<u16, EmbeddedError> {
    let is_free = |port: &u16| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    let mut candidates = (0..100).map(|_| rand::rng().random_range(QUIET_PORTS));
    let none = || std::io::Error::from(std::io::ErrorKind::AddrInUse);
    let found = candidates.find(is_free).ok_or_else(none);
    found.map_err(EmbeddedError::io("cannot find a free port on", Path::new("127.0.0.1")))
}

/// `bytes` random bytes as hex digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random)
}

/// The end of a log, for an error message.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_read_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:114:120:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(user_ids(passwd, "postgres"), Some((114, 120)));
        assert_eq!(user_ids(passwd, "post"), None);
    }

    #[test]
    fn a_missing_package_is_named_with_its_remedy() {
        let error = find("talkif-no-such-server", "apt install nothing").unwrap_err();
        assert_eq!(error.to_string(), "`talkif-no-such-server` is not installed: apt install nothing");
    }

    #[test]
    fn the_highest_version_is_taken_first() {
        let root = std::env::temp_dir().join(format!("talkif-expand-{}", random_hex(4)));
        for version in ["9", "15", "14"] {
            fs::create_dir_all(root.join(version).join("bin")).unwrap();
        }
        let found = expand(&format!("{}/*/bin", root.display()));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [root.join("15/bin"), root.join("14/bin"), root.join("9/bin")]);
    }
}
