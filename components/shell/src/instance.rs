//! What lives as long as the instance.

use crate::database::SpinDb;
use crate::redis::SpinRedis;
use crate::system::{HostClock, HostRng};
use crate::variables::{self, BadVariable};
use axum::Router;
use std::cell::OnceCell;
use std::sync::Arc;
use talkif_api::routes::Route;
use talkif_api::{App, Ports, component_router};

thread_local! {
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// The instance's router, made at the first request. Two first requests at the same time may
/// both make one; the first one stored stays.
pub(crate) async fn router(table: &'static [Route]) -> Result<Router, BadVariable> {
    if let Some(router) = ROUTER.with(|cell| cell.get().cloned()) {
        return Ok(router);
    }
    log_to_stderr();
    let app = Arc::new(App::new(ports().await?));
    let router = component_router(app, table);
    Ok(ROUTER.with(|cell| cell.get_or_init(|| router).clone()))
}

async fn ports() -> Result<Ports, BadVariable> {
    let settings = variables::read().await?;
    let redis = Arc::new(SpinRedis::new(settings.redis_url));
    Ok(Ports {
        db: Arc::new(SpinDb::new(settings.database_url)),
        directory: Arc::new(SpinDb::new(settings.directory_url)),
        limits: redis.clone(),
        streams: redis,
        clock: Arc::new(HostClock),
        rng: Arc::new(HostRng),
        config: Arc::new(settings.config),
    })
}

/// The host keeps a component's standard error as its log.
fn log_to_stderr() {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .finish();
    // It is set already when two first requests came at the same time.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
