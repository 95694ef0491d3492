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
/// When the application cannot be loaded, the address is taken, or the ready file cannot be
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
    let url = format!("http://{address}");
    println!("listening on {url}");
    if let Some(path) = &options.ready_file {
        announce(path, &url).with_context(|| format!("cannot write {}", path.display()))?;
    }
    serve(app, listener, ServerLimits::from(&options), shutdown).await;
    Ok(())
}

/// Written aside and renamed, so that a reader never sees half a line.
fn announce(path: &Path, url: &str) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, format!("{url}\n"))?;
    std::fs::rename(partial, path)
}
