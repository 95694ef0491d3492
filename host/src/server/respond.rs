//! From a request to the response of a component, or to the status that says why there is none.

use super::body::{announces_more_than, empty, full, limited};
use super::{ServerLimits, headers};
use crate::app::{App, Service};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, TrapOrPanicError};

/// Paths that the host answers itself start so, as in Spin.
const WELL_KNOWN: &str = "/.well-known/spin/";

type Answer = Response<WasiBody>;

/// Everything a request meets before its component.
pub(crate) struct Front {
    app: App,
    limits: ServerLimits,
    in_flight: Semaphore,
}

impl Front {
    /// Answers for `app` within `limits`.
    pub(crate) fn new(app: App, limits: ServerLimits) -> Front {
        Front { app, limits, in_flight: Semaphore::new(limits.max_requests) }
    }

    /// The answer to `request`; never an error, since a status says it all.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Answer, Infallible> {
        let path = request.uri().path().to_owned();
        if let Some(own) = path.strip_prefix(WELL_KNOWN) {
            return Ok(well_known(own));
        }
        let Some(found) = self.app.routes.find(&path) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        if announces_more_than(request.body(), self.limits.max_body) {
            return Ok(status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let (mut head, body) = request.into_parts();
        headers::prepare(&mut head, &found, client, "localhost");
        let (body, overrun) = limited(body, self.limits.max_body);
        let answer = self.call(found.target, Request::from_parts(head, body)).await;
        Ok(if overrun.happened() { status(StatusCode::PAYLOAD_TOO_LARGE) } else { answer })
    }

    async fn call(&self, service: &Service, request: Request<WasiBody>) -> Answer {
        let deadline = Instant::now() + self.limits.request_timeout;
        let Ok(Ok(_in_flight)) = timeout_at(deadline, self.in_flight.acquire()).await else {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        };
        match timeout_at(deadline, service.handler.handle((), request)).await {
            Ok(Ok(response)) => response,
            // An instance that had to be stopped looks like one that trapped.
            Ok(Err(error)) if Instant::now() < deadline => status(explain(service, &error)),
            Ok(Err(_)) | Err(_) => status(StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

/// The status for a request without a response. A trap was already logged with its instance.
fn explain(service: &Service, error: &wasmtime::Error) -> StatusCode {
    let component = &*service.component;
    if error.is::<ExpirationError>() {
        tracing::warn!(component, "a request took too long");
        return StatusCode::GATEWAY_TIMEOUT;
    }
    if error.is::<InstantiationError<()>>() {
        tracing::error!(component, "no instance for a request: {error:#}");
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if !error.is::<TrapOrPanicError>() {
        tracing::error!(component, "the component answered with an error: {error:#}");
    }
    StatusCode::INTERNAL_SERVER_ERROR
}

fn well_known(name: &str) -> Answer {
    match name {
        "health" => Response::new(full("OK")),
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(empty());
    *answer.status_mut() = status;
    answer
}
