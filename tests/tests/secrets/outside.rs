//! What lies outside the installation: a customer's webhook endpoint, which is broken, and a
//! collector of spans.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Longest request that is read; none here is longer.
const LONGEST: usize = 4 * 1024 * 1024;

/// One port for both. It answers everything, webhooks with a failure.
pub(crate) struct Outside {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Outside {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    /// The bodies that the collector got.
    pub(crate) fn spans(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(line, _)| line.contains("/v1/traces"))
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub(crate) fn refused_webhooks(&self) -> usize {
        self.requests.lock().unwrap().iter().filter(|(line, _)| line.contains("/webhooks")).count()
    }
}

/// One request a connection: what its first line and its body are.
async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<(String, String)>>>) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 || bytes.len() > LONGEST {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        break (head.to_owned(), length.unwrap_or(0));
    };
    let start = head.len() + 4;
    while bytes.len() < start + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next()?.to_owned();
    let status = if line.contains("/webhooks") { "500 Internal Server Error" } else { "200 OK" };
    let body = String::from_utf8_lossy(bytes.get(start..)?).into_owned();
    seen.lock().unwrap().push((line, body.clone()));
    // A broken endpoint that quotes what it was sent.
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.ok()
}
