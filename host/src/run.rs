//! The whole program: load, listen, announce, serve.

use crate::app::App;
use crate::options::Options;
use crate::server::{ServerLimits, serve};
use anyhow::Context;
use std::path::Path;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Loads the application and serves it until `shutdown` is cancelled.
///
/// # Errors
/// When the application cannot be loaded, the address is taken, or the port file cannot be
/// written.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let app = App::load(&options, |name| std::env::var(name).ok()).await?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    for (route, component) in app.routes() {
        println!("{route} -> {component}");
    }
    println!("listening on http://{address}");
    if let Some(path) = &options.port_file {
        write_port(path, address.port()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    serve(app, listener, ServerLimits::from(&options), shutdown).await;
    Ok(())
}

/// Written aside and renamed, so that a reader never sees half a number.
fn write_port(path: &Path, port: u16) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, format!("{port}\n"))?;
    std::fs::rename(partial, path)
}
