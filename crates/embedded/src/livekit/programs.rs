//! The two programs: from the cache, from `PATH`, or built from the modules in `servers/`.
//!
//! The modules are part of this program, so that it builds the same servers wherever it is run
//! from. A build lies in a folder named by the module's hash and appears there at once and whole.

use crate::EmbeddedError;
use crate::system;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest Go that the modules accept.
const GO: (u32, u32) = (1, 26);
/// Where Go lies where it is not on `PATH`, as its own instructions and packages have it.
const GO_DIRECTORIES: &[&str] =
    &["/usr/local/go/bin", "/usr/lib/go-1.26/bin", "/usr/lib/go/bin", "/opt/homebrew/bin"];
/// What `livekit-sip` is linked with, by `pkg-config`'s names.
const LIBRARIES: &[&str] = &["opus", "opusfile", "soxr"];

struct Module {
    name: &'static str,
    package: &'static str,
    manifest: &'static str,
    sums: &'static str,
    /// Whether it is linked with C libraries.
    links_c: bool,
}

const SERVER: Module = Module {
    name: "livekit-server",
    package: "github.com/livekit/livekit-server/cmd/server",
    manifest: include_str!("../../../../servers/livekit-server/go.mod"),
    sums: include_str!("../../../../servers/livekit-server/go.sum"),
    links_c: false,
};

const SIP: Module = Module {
    name: "livekit-sip",
    package: "github.com/livekit/sip/cmd/livekit-sip",
    manifest: include_str!("../../../../servers/livekit-sip/go.mod"),
    sums: include_str!("../../../../servers/livekit-sip/go.sum"),
    links_c: true,
};

/// Where both programs lie.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) server: PathBuf,
    pub(super) sip: PathBuf,
}

impl Programs {
    pub(super) fn find() -> Option<Self> {
        Some(Self { server: SERVER.find()?, sip: SIP.find()? })
    }

    pub(super) async fn find_or_build() -> Result<Self, EmbeddedError> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let built = tokio::task::spawn_blocking(|| {
            let go = toolchain()?;
            Ok(Self { server: SERVER.find_or_build(&go)?, sip: SIP.find_or_build(&go)? })
        });
        built.await.unwrap_or_else(|panic| Err(EmbeddedError::CannotBuild(panic.to_string())))
    }
}

impl Module {
    /// What we pin goes before what happens to be installed.
    fn find(&self) -> Option<PathBuf> {
        let built = self.folder().ok()?.join(self.name);
        if built.is_file() {
            return Some(built);
        }
        system::on_path(self.name, &[])
    }

    fn folder(&self) -> Result<PathBuf, EmbeddedError> {
        let hash = Sha256::new().chain_update(self.manifest).chain_update(self.sums).finalize();
        let name = format!("{}-{}", self.name, &hex::encode(hash)[..16]);
        Ok(cache_folder()?.join("servers").join(name))
    }

    /// The lock makes a second process wait for the first one's build.
    fn find_or_build(&self, go: &Path) -> Result<PathBuf, EmbeddedError> {
        let folder = self.folder()?;
        fs::create_dir_all(&folder).map_err(EmbeddedError::io("cannot create", &folder))?;
        let lock = folder.join("build.lock");
        let lock = File::create(&lock).map_err(EmbeddedError::io("cannot open", &lock))?;
        lock.lock().map_err(EmbeddedError::io("cannot lock", &folder))?;
        match self.find() {
            Some(program) => Ok(program),
            None => self.build(go, &folder),
        }
    }

    fn build(&self, go: &Path, folder: &Path) -> Result<PathBuf, EmbeddedError> {
        for (name, content) in [("go.mod", self.manifest), ("go.sum", self.sums)] {
            let path = folder.join(name);
            fs::write(&path, content).map_err(EmbeddedError::io("cannot write", &path))?;
        }
        let (part, program) = (folder.join("unfinished"), folder.join(self.name));
        let output = Command::new(go)
            .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(&part)
            .arg(self.package)
            .current_dir(folder)
            .env("CGO_ENABLED", if self.links_c { "1" } else { "0" })
            .env("GOFLAGS", "-mod=readonly")
            // The machine's own compiler, not one that it would fetch.
            .env("GOTOOLCHAIN", "local")
            .stdin(Stdio::null())
            .output()
            .map_err(EmbeddedError::io("cannot run", go))?;
        if !output.status.success() {
            return Err(self.failed(&String::from_utf8_lossy(&output.stderr)));
        }
        fs::rename(&part, &program).map_err(EmbeddedError::io("cannot name", &program))?;
        Ok(program)
    }

    fn failed(&self, output: &str) -> EmbeddedError {
        let lines: Vec<&str> = output.lines().rev().take(6).collect();
        let end = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        EmbeddedError::CannotBuild(format!("go could not build {}:\n{end}", self.name))
    }
}

/// Where Go lies, if everything that a build needs is there.
fn toolchain() -> Result<PathBuf, EmbeddedError> {
    let go = system::on_path("go", GO_DIRECTORIES);
    let version = go.as_deref().and_then(version_of);
    let missing = missing(version, &missing_libraries(), system::on_path("cc", &[]).is_some());
    match (go, missing) {
        (Some(go), None) => Ok(go),
        (_, missing) => Err(EmbeddedError::CannotBuild(missing.unwrap_or_default())),
    }
}

/// One sentence that says what is missing, and what to do about it.
fn missing(go: Option<(u32, u32)>, libraries: &[&str], has_compiler: bool) -> Option<String> {
    let mut parts = Vec::new();
    match go {
        Some(version) if version >= GO => {}
        Some((major, minor)) => parts
            .push(format!("Go {}.{} or newer (here is {major}.{minor}; see https://go.dev/dl)", GO.0, GO.1)),
        None => parts.push(format!("Go {}.{} or newer (see https://go.dev/dl)", GO.0, GO.1)),
    }
    if !has_compiler {
        parts.push("a C compiler (apt-get install build-essential)".to_owned());
    }
    if !libraries.is_empty() {
        parts.push(format!(
            "{} (apt-get install pkg-config libopus-dev libopusfile-dev libsoxr-dev, \
             dnf install pkgconf opus-devel opusfile-devel soxr-devel, \
             or brew install pkg-config opus opusfile libsoxr)",
            libraries.join(", ")
        ));
    }
    (!parts.is_empty())
        .then(|| format!("building LiveKit's servers needs what is missing here: {}", parts.join("; ")))
}

/// `(1, 26)` of `go version go1.26.8 linux/amd64`.
fn version_of(go: &Path) -> Option<(u32, u32)> {
    let output = Command::new(go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.split_whitespace().nth(2)?.strip_prefix("go")?.split('.');
    let minor = numbers.clone().nth(1)?.chars().take_while(char::is_ascii_digit).collect::<String>();
    Some((numbers.next()?.parse().ok()?, minor.parse().ok()?))
}

/// The libraries that `pkg-config` does not know; with `pkg-config` itself where it is missing.
fn missing_libraries() -> Vec<&'static str> {
    if system::on_path("pkg-config", &[]).is_none() {
        return std::iter::once("pkg-config").chain(LIBRARIES.iter().copied()).collect();
    }
    let knows = |library: &&str| {
        let asked = Command::new("pkg-config").arg("--exists").arg(library).status();
        asked.is_ok_and(|status| status.success())
    };
    LIBRARIES.iter().copied().filter(|library| !knows(library)).collect()
}

/// Builds outlive a clone, so they lie with the user.
fn cache_folder() -> Result<PathBuf, EmbeddedError> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    base.map(|base| base.join("talkif"))
        .ok_or_else(|| EmbeddedError::CannotBuild("neither XDG_CACHE_HOME nor HOME is set".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_modules_pin_the_versions_we_hold_them_to() {
        assert!(SERVER.manifest.contains("github.com/livekit/livekit-server v1.13.5"));
        assert!(SIP.manifest.contains("github.com/livekit/sip v1.8.0"));
    }

    #[test]
    fn what_is_missing_is_said_in_one_sentence() {
        assert_eq!(missing(Some((1, 26)), &[], true), None);
        assert_eq!(missing(Some((2, 0)), &[], true), None);
        let sentence = missing(None, &["soxr"], true).unwrap();
        assert!(sentence.contains("Go 1.26 or newer") && sentence.contains("soxr"), "{sentence}");
        let sentence = missing(Some((1, 19)), &[], true).unwrap();
        assert!(sentence.contains("here is 1.19") && !sentence.contains("soxr"), "{sentence}");
        assert!(missing(Some((1, 26)), &[], false).unwrap().contains("C compiler"));
    }

    #[test]
    fn the_version_of_go_is_read() {
        assert_eq!(parse_version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(parse_version("go version go1.27rc1 linux/arm64"), Some((1, 27)));
        assert_eq!(parse_version("command not found"), None);
    }
}
