//! From a request to the response of a component, or to the refusal that says why there is none.

use super::body::{announces_more_than, bounded, full, holding};
use super::connections::Busy;
use super::refusal::{Refusal, request_id};
use super::{ServerLimits, headers};
use crate::app::{App, Service};
use http::header::HOST;
use http::{HeaderMap, Request, Response, Version};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, TrapOrPanicError};

/// Paths that the host answers itself start so, as in Spin.
const WELL_KNOWN: &str = "/.well-known/spin/";

pub(super) type Answer = Response<WasiBody>;

/// Everything a request meets before its component.
pub(super) struct Front {
    app: App,
    limits: ServerLimits,
    in_flight: Arc<Semaphore>,
}

impl Front {
    /// Answers for `app` within `limits`.
    pub(super) fn new(app: App, limits: ServerLimits) -> Front {
        Front { app, limits, in_flight: Arc::new(Semaphore::new(limits.max_requests)) }
    }

    /// Completes when no request is in flight any more, not even one whose client has left.
    pub(super) async fn finished(&self) {
        let all = u32::try_from(self.limits.max_requests).unwrap_or(u32::MAX);
        // It fails only where the semaphore is closed, which nobody does.
        let _all = self.in_flight.acquire_many(all).await;
    }

    /// The answer to `request`; never an error, since a status says it all. The work goes on when
    /// the client leaves, as in Spin, and counts as in flight until it is done: otherwise whoever
    /// sends and leaves would get past the limit.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: SocketAddr,
        busy: Busy,
    ) -> Result<Answer, Infallible> {
        let id = request_id(request.headers());
        let work = tokio::spawn(async move { self.serve(request, client).await.map(|it| it.with(busy)) });
        let outcome = work.await.unwrap_or(Err(Refusal::Failed));
        Ok(outcome.unwrap_or_else(|refusal| refusal.answer(&id)))
    }

    async fn serve(&self, request: Request<Incoming>, client: SocketAddr) -> Result<Served, Refusal> {
        let path = request.uri().path().to_owned();
        if request.version() == Version::HTTP_11 && !names_one_host(request.headers()) {
            return Err(Refusal::Host);
        }
        if let Some(own) = path.strip_prefix(WELL_KNOWN) {
            return well_known(own).ok_or(Refusal::NoRoute);
        }
        let found = self.app.routes.find(&path).ok_or(Refusal::NoRoute)?;
        if announces_more_than(request.body(), self.limits.max_body) {
            return Err(Refusal::BodyTooLong);
        }
        let (mut head, body) = request.into_parts();
        headers::prepare(&mut head, &found, client, "localhost");
        let (body, fault) = bounded(body, self.limits.max_body, Instant::now() + self.limits.body_timeout);
        let answer = self.call(found.target, Request::from_parts(head, body)).await;
        match (fault.too_long(), fault.too_slow()) {
            (true, _) => Err(Refusal::BodyTooLong),
            (_, true) => Err(Refusal::BodyTooSlow),
            (false, false) => answer,
        }
    }

    async fn call(&self, service: &Service, request: Request<WasiBody>) -> Result<Served, Refusal> {
        let deadline = Instant::now() + self.limits.request_timeout;
        let patience = deadline.min(Instant::now() + self.limits.queue_timeout);
        let slot = timeout_at(patience, Arc::clone(&self.in_flight).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(Refusal::Busy) };
        match timeout_at(deadline, service.handler.handle((), request)).await {
            Ok(Ok(response)) => Ok(Served { response, slot: Some(slot) }),
            // An instance that had to be stopped looks like one that trapped.
            Ok(Err(error)) if Instant::now() < deadline => Err(explain(service, &error)),
            Ok(Err(_)) | Err(_) => Err(Refusal::TookTooLong),
        }
    }
}

/// A response, and the place in flight that it takes until its body has been handed over.
struct Served {
    response: Answer,
    slot: Option<OwnedSemaphorePermit>,
}

impl Served {
    /// The response, which holds its connection `busy`, too.
    fn with(self, busy: Busy) -> Answer {
        let held = (self.slot, busy);
        self.response.map(|body| holding(body, held))
    }
}

/// As HTTP/1.1 demands: whoever stands in front of us might read another of two.
fn names_one_host(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().count() == 1
}

/// Why a request has no response. A trap was already logged with its instance.
fn explain(service: &Service, error: &wasmtime::Error) -> Refusal {
    let component = &*service.component;
    if error.is::<ExpirationError>() {
        tracing::warn!(component, "a request took too long");
        return Refusal::TookTooLong;
    }
    if error.is::<InstantiationError<()>>() {
        tracing::error!(component, "no instance for a request: {error:#}");
        return Refusal::Busy;
    }
    if !error.is::<TrapOrPanicError>() {
        tracing::error!(component, "the component answered with an error: {error:#}");
    }
    Refusal::Failed
}

fn well_known(name: &str) -> Option<Served> {
    (name == "health").then(|| Served { response: Response::new(full("OK")), slot: None })
}
