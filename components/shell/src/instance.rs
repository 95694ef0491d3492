//! What lives as long as the instance.

use crate::database::SpinDb;
use crate::redis::SpinRedis;
use crate::system::{HostClock, HostRng};
use crate::variables::{BadVariable, Variables};
use axum::Router;
use std::cell::OnceCell;
use std::sync::Arc;
use talkif_api::routes::{Component, Variable};
use talkif_api::{App, Ports, component_router};

thread_local! {
    static ROUTER: OnceCell<Router> = const { OnceCell::new() };
}

/// The instance's router, made at the first request. Two first requests at the same time may
/// both make one; the first one stored stays.
pub(crate) async fn router(component: &'static Component) -> Result<Router, BadVariable> {
    if let Some(router) = ROUTER.with(|cell| cell.get().cloned()) {
        return Ok(router);
    }
    log_to_stderr();
    let app = Arc::new(App::new(ports(component).await?));
    let router = component_router(app, component.routes);
    Ok(ROUTER.with(|cell| cell.get_or_init(|| router).clone()))
}

async fn ports(component: &Component) -> Result<Ports, BadVariable> {
    let given = Variables::read(component.variables).await?;
    let redis = Arc::new(SpinRedis::new(given.text(Variable::RedisUrl)));
    let directory = Arc::new(SpinDb::new(given.text(Variable::DirectoryUrl)));
    // Where one database is both, one connection serves both.
    let shared = given.text(Variable::DatabaseUrl) == given.text(Variable::DirectoryUrl);
    let db =
        if shared { directory.clone() } else { Arc::new(SpinDb::new(given.text(Variable::DatabaseUrl))) };
    Ok(Ports {
        db,
        directory,
        limits: redis.clone(),
        streams: redis,
        clock: Arc::new(HostClock),
        rng: Arc::new(HostRng),
        config: Arc::new(given.config()?),
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
    std::panic::set_hook(Box::new(log_panic));
}

/// Words that are made at the moment of a panic may quote the request: only those that stand so in
/// the source are shown.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload().downcast_ref::<&'static str>().copied();
    tracing::error!(place, words = words.unwrap_or("(not shown)"), "panicked");
}
