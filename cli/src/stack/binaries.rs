//! Where the programs, the components and the manifest lie.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The components, by the names of their files.
const COMPONENTS: [&str; 6] = ["auth", "leads", "calls", "flows", "webhooks", "discovery"];

/// The build's products, found relative to this program.
pub(crate) struct Binaries {
    programs: PathBuf,
    components: PathBuf,
    manifest: PathBuf,
}

impl Binaries {
    /// Programs lie beside this one; components in the same target folder (or `components/`
    /// beside an installed program); the manifest in `TALKIF_HOME` or the current folder.
    pub(crate) fn find() -> Result<Self> {
        let own = std::env::current_exe()?.canonicalize()?;
        let programs = own.parent().context("this program lies in no folder")?.to_owned();
        let built = programs.parent().map(|target| target.join("wasm32-wasip2/guest"));
        let installed = programs.join("components");
        let components = [built, Some(installed)]
            .into_iter()
            .flatten()
            .find(|folder| folder.join(file_of("leads")).exists())
            .context("the components are not built; run ./talkif, which builds them")?;
        if let Some(missing) = COMPONENTS.iter().find(|name| !components.join(file_of(name)).exists()) {
            bail!("the component `{missing}` is not built; run ./talkif, which builds it");
        }
        let home = std::env::var_os("TALKIF_HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let manifest = home.join("spin.toml");
        if !manifest.exists() {
            bail!("no spin.toml in {}; run this in the project's folder", home.display());
        }
        Ok(Self { programs, components, manifest })
    }

    /// One of our programs.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.programs.join(name);
        if !path.exists() {
            bail!("{name} is not built; run ./talkif, which builds it");
        }
        Ok(path)
    }

    /// The folder of the components.
    pub(crate) fn components(&self) -> &Path {
        &self.components
    }

    /// Spin, where it is on PATH.
    pub(crate) fn spin(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("spin")).find(|file| is_spin(file))
    }

    /// The built-in host on `port`.
    pub(crate) fn builtin_command(&self, state: &Path, port: u16, ready: &Path) -> Result<Command> {
        let mut command = Command::new(self.program("talkif-host")?);
        command.arg("--from").arg(&self.manifest);
        command.arg("--component-dir").arg(&self.components);
        command.arg("--cache-dir").arg(state.join("component-cache"));
        command.arg("--ready-file").arg(ready);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        Ok(command)
    }

    /// Spin on `port`, with the manifest's component paths made to fit this build.
    pub(crate) fn spin_command(&self, state: &Path, port: u16) -> Result<Command> {
        let spin =
            self.spin().context("spin is not on PATH; leave out --host spin to use the built-in host")?;
        let manifest = std::fs::read_to_string(&self.manifest)?;
        let components = self.components.canonicalize()?;
        let fitted = manifest.replace("target/wasm32-wasip2/guest", &components.to_string_lossy());
        let path = state.join("spin.toml");
        std::fs::write(&path, fitted)?;
        let mut command = Command::new(spin);
        command.arg("up").arg("--from").arg(&path);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--state-dir").arg(state.join("spin"));
        Ok(command)
    }
}

fn file_of(component: &str) -> String {
    format!("talkif_component_{component}.wasm")
}

/// Another program is called `spin` too (a model checker): ours says its name and version.
fn is_spin(file: &Path) -> bool {
    file.is_file()
        && std::process::Command::new(file)
            .arg("--version")
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("spin "))
}
