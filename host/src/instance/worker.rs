//! When an instance is made, how much it may serve, and when it ends.

use super::{Grants, State};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// How much later than its request a whole instance expires. The request's own timer comes first
/// and answers 504; this one stops guests that never gave that timer a turn.
const INSTANCE_GRACE: Duration = Duration::from_millis(200);

/// How long and how much instances are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reuse {
    pub(crate) requests: usize,
    pub(crate) concurrent_requests: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

/// Makes the instances of one component.
pub(crate) struct Instances {
    pub(crate) engine: Engine,
    pub(crate) component: ServicePre<State>,
    pub(crate) grants: Grants,
    pub(crate) reuse: Reuse,
    /// Cancelled once the host is done, when instances are dropped as they are.
    pub(crate) stopped: CancellationToken,
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let mut store = Store::new(&self.engine, State::new(self.grants.clone()));
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let service = self.component.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: WasiHttpView::http,
            expiration: Expiration::new(self.reuse),
            state: Worker {
                component: self.grants.component.to_string(),
                reuse: self.reuse,
                stopped: self.stopped.clone(),
            },
        })
    }
}

/// The worker's decisions about requests.
pub(crate) struct Worker {
    component: String,
    reuse: Reuse,
    stopped: CancellationToken,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.reuse.requests {
            ShouldAccept::Never
        } else if concurrent >= self.reuse.concurrent_requests {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        Box::pin(tokio::time::sleep(self.reuse.request_timeout))
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result
            && !self.stopped.is_cancelled()
        {
            tracing::error!(component = self.component, "instance failed: {}", error.root_cause());
            tracing::debug!(component = self.component, "{error:#}");
        }
        drop(store);
    }
}

/// Ends an instance that idles or works for too long.
pub(crate) struct Expiration {
    reuse: Reuse,
    timer: Pin<Box<Sleep>>,
}

impl Expiration {
    fn new(reuse: Reuse) -> Expiration {
        Expiration { reuse, timer: Box::pin(tokio::time::sleep(reuse.idle_timeout)) }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => self.reuse.idle_timeout,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.reuse.request_timeout + INSTANCE_GRACE,
        };
        let deadline = tokio::time::Instant::from_std(start + allowed);
        if deadline != self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx)
    }
}
