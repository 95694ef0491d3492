//! LiveKit's API on loopback, as a test wants it.

use crate::api::Api;
use crate::config::LiveKitConfig;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, Uri};
use prost::Message;
use std::sync::{Arc, Mutex};
use talkif_model::Region;
use tokio::net::TcpListener;

/// What was asked for, in order: the method, and the request's bytes.
type Asked = Arc<Mutex<Vec<(String, Bytes)>>>;

/// How a request is answered.
pub(crate) enum Reply {
    Done(Vec<u8>),
    /// With this code, and this final SIP status.
    Refused(&'static str, Option<u16>),
    /// As when `livekit-sip` has lost the far end's answer.
    Lost,
    /// Not at all.
    Never,
}

impl Reply {
    pub(crate) fn of(message: &impl Message) -> Self {
        Self::Done(message.encode_to_vec())
    }
}

pub(crate) struct Fake {
    pub(crate) api: Arc<Api>,
    asked: Asked,
}

impl Fake {
    /// Answers each request by its method and its bytes.
    pub(crate) async fn start(reply: impl Fn(&str, &[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, reply) = (Asked::default(), Arc::new(reply));
        let log = Arc::clone(&asked);
        let routes = Router::new().fallback(move |uri: Uri, body: Bytes| {
            let method = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
            log.lock().unwrap().push((method.clone(), body.clone()));
            respond(reply(&method, &body))
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { api: Arc::new(Api::new(&config(&format!("ws://{address}")))), asked }
    }

    /// The methods that were asked for.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(method, _)| method.clone()).collect()
    }

    /// The requests to one method.
    pub(crate) fn requests<T: Message + Default>(&self, method: &str) -> Vec<T> {
        let asked = self.asked.lock().unwrap();
        let of_method = asked.iter().filter(|(name, _)| name == method);
        of_method.map(|(_, body)| T::decode(body.clone()).unwrap()).collect()
    }
}

pub(crate) fn config(url: &str) -> LiveKitConfig {
    LiveKitConfig {
        url: url.to_owned(),
        api_key: "key".to_owned(),
        api_secret: "top-secret".to_owned(),
        region: Region::EuWest,
        slots: 1,
        allow: Vec::new(),
        numbers: None,
    }
}

async fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Done(bytes) => bytes.into_response(),
        Reply::Refused(code, status) => {
            let meta = status.map(|status| ("sip_status_code", status.to_string()));
            let meta: std::collections::HashMap<_, _> = meta.into_iter().collect();
            let body = serde_json::json!({ "code": code, "msg": "as the test wants it", "meta": meta });
            (StatusCode::BAD_REQUEST, body.to_string()).into_response()
        }
        Reply::Lost => {
            let words = "twirp error unknown: transaction failed to complete (0 intermediate responses)";
            let body = serde_json::json!({ "code": "canceled", "msg": words });
            (StatusCode::REQUEST_TIMEOUT, body.to_string()).into_response()
        }
        Reply::Never => std::future::pending().await,
    }
}
