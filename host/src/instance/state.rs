//! What the host keeps for one instance, and what its component was granted.

use super::guest_log::GuestLog;
use crate::capabilities::{OutboundHosts, http::OutgoingHttp, postgres::Postgres, redis::Redis};
use crate::manifest::Variables;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What a component may see and reach: the same for all its instances.
#[derive(Debug, Clone)]
pub(crate) struct Grants {
    pub(crate) component: Arc<str>,
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    pub(crate) variables: Arc<Variables>,
    pub(crate) hosts: Arc<OutboundHosts>,
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) max_memory: usize,
}

/// The data of one instance's store.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: OutgoingHttp,
    pub(crate) table: ResourceTable,
    pub(crate) limits: StoreLimits,
    pub(crate) grants: Grants,
}

impl State {
    /// A fresh instance's state.
    pub(crate) fn new(grants: Grants) -> State {
        State {
            wasi: wasi(&grants),
            http: WasiHttpCtx::new(),
            outgoing: OutgoingHttp::new(Arc::clone(&grants.hosts)),
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(grants.max_memory).build(),
            grants,
        }
    }
}

/// No files, no arguments, no sockets, and of the environment only what the manifest sets.
fn wasi(grants: &Grants) -> WasiCtx {
    let environment: Vec<_> = grants.environment.iter().collect();
    WasiCtx::builder()
        .envs(&environment)
        .allow_tcp(false)
        .allow_udp(false)
        .stdout(GuestLog::new(Arc::clone(&grants.component), "stdout"))
        .stderr(GuestLog::new(Arc::clone(&grants.component), "stderr"))
        .build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}
