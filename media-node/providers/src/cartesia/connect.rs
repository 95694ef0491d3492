//! Opening the WebSocket.

use super::{CartesiaConfig, DEFAULT_URL, VENDOR, VERSION};
use crate::ProviderError;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects within the limit. Nagle's algorithm is off: text goes out in small pieces.
pub(super) async fn connect(config: &CartesiaConfig) -> Result<Socket, ProviderError> {
    let limit = config.timeouts.connect;
    match timeout(limit, connect_async_with_config(address(config), Some(buffers()), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => {
            Err(ProviderError::Refused { vendor: VENDOR, status: response.status().as_u16() })
        }
        // The address holds the key, so the error's own words stay out.
        Ok(Err(Error::Url(_))) => Err(ProviderError::Configuration {
            vendor: VENDOR,
            detail: "the address is not a URL".to_owned(),
        }),
        Ok(Err(_)) => Err(ProviderError::Connection { vendor: VENDOR, detail: "cannot connect".to_owned() }),
        Err(_) => Err(ProviderError::Timeout { vendor: VENDOR, limit }),
    }
}

/// The usual buffers are 128 KiB each way, and the one for reading is filled with zeros before every
/// read: too much for messages of a few KiB, in a node that holds a hundred such sockets.
fn buffers() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 * 1024).write_buffer_size(8 * 1024)
}

fn address(config: &CartesiaConfig) -> String {
    let base = config.url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/');
    format!("{base}/tts/websocket?api_key={}&cartesia_version={VERSION}", escape(&config.api_key))
}

/// Keys are letters, digits and underscores; anything else is escaped, so that a bad key is
/// refused by the vendor and does not change the address.
fn escape(key: &str) -> String {
    let escape_byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    key.bytes().map(escape_byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cartesia::Timeouts;

    #[test]
    fn the_address_names_key_and_version() {
        let config = CartesiaConfig {
            api_key: "sk_car&1".into(),
            url: Some("ws://127.0.0.1:9/cartesia/".into()),
            timeouts: Timeouts::default(),
        };
        let expected =
            format!("ws://127.0.0.1:9/cartesia/tts/websocket?api_key=sk_car%261&cartesia_version={VERSION}");
        assert_eq!(address(&config), expected);
    }
}
