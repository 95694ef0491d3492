//! Outgoing HTTP of guests, `wasi:http/client`: wasmtime's own client behind the list of hosts.

use super::OutboundHosts;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), Error>> + Send>;

/// Sends the requests of one instance.
pub(crate) struct OutgoingHttp {
    hosts: Arc<OutboundHosts>,
}

impl OutgoingHttp {
    /// A client that reaches `hosts` only.
    pub(crate) fn new(hosts: Arc<OutboundHosts>) -> OutgoingHttp {
        OutgoingHttp { hosts }
    }

    fn allows(&self, uri: &http::Uri) -> bool {
        let (scheme, host) = (uri.scheme_str().unwrap_or("https"), uri.host());
        host.is_some_and(|host| self.hosts.allow(scheme, host, uri.port_u16()))
    }
}

impl WasiHttpHooks for OutgoingHttp {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Done,
    ) -> Sent {
        use http_body_util::BodyExt;
        if !self.allows(request.uri()) {
            tracing::warn!(host = request.uri().host(), "a component asked for a host it is not allowed");
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        }
        Box::new(async move {
            let (response, done) = default_send_request(request, options).await?;
            Ok((response.map(BodyExt::boxed_unsync), Box::new(done) as Done))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_are_reached() {
        let hosts = OutboundHosts::parse(&["http://127.0.0.1:9000".to_owned()]).unwrap();
        let client = OutgoingHttp::new(Arc::new(hosts));
        assert!(client.allows(&http::Uri::from_static("http://127.0.0.1:9000/path")));
        assert!(!client.allows(&http::Uri::from_static("http://127.0.0.1:9001/path")));
        assert!(!client.allows(&http::Uri::from_static("https://127.0.0.1:9000/path")));
        assert!(!client.allows(&http::Uri::from_static("/path")));
    }
}
