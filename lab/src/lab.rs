//! The running lab.

use crate::control::{self, Control};
use crate::phones::{CallLog, CallRecord, Carrier, CarrierError, CarrierOptions, PhoneBook};
use crate::standins::{self, Vendors};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long open HTTP requests may take when the lab stops.
const DRAIN: Duration = Duration::from_secs(1);

/// How to run a lab.
#[derive(Debug)]
pub struct LabOptions {
    /// Where control and stand-ins listen; port 0 lets the system choose.
    pub http: SocketAddr,
    /// The carrier.
    pub carrier: CarrierOptions,
    /// The stand-ins.
    pub vendors: Vendors,
}

/// The lab could not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The HTTP address cannot be bound.
    #[error("http: {0}")]
    Http(#[from] std::io::Error),
    /// The carrier failed.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
}

/// A running lab.
pub struct Lab {
    http: SocketAddr,
    carrier: Carrier,
    log: CallLog,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Lab {
    /// Binds both ports and serves.
    ///
    /// # Errors
    /// If a port cannot be bound.
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let (phones, log) = (Arc::new(PhoneBook::default()), CallLog::default());
        let vendors = Arc::new(options.vendors);
        let carrier = Carrier::start(options.carrier, Arc::clone(&phones), log.clone()).await?;
        let listener = TcpListener::bind(options.http).await?;
        let http = listener.local_addr()?;
        let control =
            Control { phones, carrier: carrier.clone(), log: log.clone(), vendors: Arc::clone(&vendors) };
        let router = control::routes(control).merge(standins::routes(vendors));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the lab's HTTP server failed");
            }
        });
        Ok(Self { http, carrier, log, stop, server })
    }

    /// Where SIP listens.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.carrier.address()
    }

    /// Where control and stand-ins listen.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Everything the phones went through so far.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.log.records()
    }

    /// Stops serving; calls and connections in progress are cut after a moment.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.carrier.stop().await;
        if tokio::time::timeout(DRAIN, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}
