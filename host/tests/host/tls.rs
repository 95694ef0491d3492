//! TLS to the stores, against real servers with a certificate of the test's own. The program is
//! started for each test, because it reads `SSL_CERT_FILE` once.

use crate::process::Program;
use crate::support::manifest;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use talkif_embedded::{Durability, Postgres};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A certificate for this machine, and its key.
struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    fn new() -> Certificate {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        Certificate { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// The certificate in a file, for `SSL_CERT_FILE`.
    fn file(&self, name: &str) -> PathBuf {
        written(&format!("{name}.crt"), &self.certificate)
    }
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// A private Postgres that speaks TLS.
async fn postgres(certificate: &Certificate) -> Postgres {
    let directory = std::env::temp_dir().join(format!("talkif-test-tls-{}", std::process::id()));
    let server = Postgres::start_with(&directory, Durability::Throwaway).await.unwrap();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    // The server writes the files itself: it insists on owning its key.
    for (name, text) in [("edge.crt", &certificate.certificate), ("edge.key", &certificate.key)] {
        let encoded = BASE64_STANDARD.encode(text);
        let copy = format!("copy (select '{encoded}') to program 'umask 077; base64 -d > {name}'");
        connection.execute(AssertSqlSafe(copy)).await.unwrap();
    }
    for setting in ["ssl_cert_file = 'edge.crt'", "ssl_key_file = 'edge.key'", "ssl = on"] {
        connection.execute(AssertSqlSafe(format!("alter system set {setting}"))).await.unwrap();
    }
    connection.execute("select pg_reload_conf()").await.unwrap();
    for _ in 0..200 {
        let on: String = sqlx::query_scalar("show ssl").fetch_one(&mut connection).await.unwrap();
        if on == "on" {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("Postgres does not speak TLS");
}

/// Whether the connection at `address` is encrypted.
async fn is_encrypted(program: &Program, address: &str) -> Value {
    let statement = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
    let body = json!({"address": address, "statement": statement});
    program.post("/sql", &body.to_string()).await.json()
}

#[tokio::test]
async fn postgres_is_reached_over_tls_and_its_certificate_is_verified() {
    let certificate = Certificate::new();
    let server = postgres(&certificate).await;
    let allowed = format!("allowed_outbound_hosts = [\"postgres://127.0.0.1:{}\"]", server.port());
    let trusting = [("SSL_CERT_FILE", certificate.file("postgres"))];
    let program = Program::start(&manifest(&allowed), &trusting).await;
    let url = server.url("postgres");
    for (mode, expected) in [("require", "true"), ("prefer", "true"), ("disable", "false")] {
        let reply = is_encrypted(&program, &format!("{url}?sslmode={mode}")).await;
        assert_eq!(reply["rows"], json!([[format!("DbValue::Str(\"{expected}\")")]]), "{mode}: {reply}");
    }

    let stranger = [("SSL_CERT_FILE", Certificate::new().file("stranger"))];
    let program = Program::start(&manifest(&allowed), &stranger).await;
    for mode in ["require", "prefer"] {
        let reply = is_encrypted(&program, &format!("{url}?sslmode={mode}")).await;
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains("ConnectionFailed") && error.contains("certificate"), "{mode}: {reply}");
    }
    server.stop();
}

/// A Redis that speaks nothing but TLS, and its port.
async fn redis(certificate: &Certificate) -> (Child, u16) {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (file, key) = (certificate.file("redis"), written("redis.key", &certificate.key));
    let child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", "0", "--save", "", "--tls-auth-clients", "no"])
        .args(["--tls-port", &port.to_string()])
        .arg("--tls-cert-file")
        .arg(&file)
        .arg("--tls-ca-cert-file")
        .arg(&file)
        .arg("--tls-key-file")
        .arg(&key)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..400 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (child, port);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("Redis does not answer");
}

#[tokio::test]
async fn redis_is_reached_over_tls_and_its_certificate_is_verified() {
    let certificate = Certificate::new();
    let (_server, port) = redis(&certificate).await;
    let address = format!("rediss://127.0.0.1:{port}");
    let ping = json!({"address": address, "command": "PING", "arguments": []}).to_string();
    let allowed = manifest(&format!("allowed_outbound_hosts = [\"{address}\"]"));
    let program = Program::start(&allowed, &[("SSL_CERT_FILE", certificate.file("redis"))]).await;
    let reply = program.post("/redis", &ping).await.json();
    assert_eq!(reply, json!({"results": [{"status": "PONG"}]}));

    let stranger = [("SSL_CERT_FILE", Certificate::new().file("strange-redis"))];
    let program = Program::start(&allowed, &stranger).await;
    let reply = program.post("/redis", &ping).await.json();
    assert!(reply["error"].as_str().unwrap().contains("Other"), "{reply}");

    // An address that allows Redis in the clear does not allow it over TLS, as in Spin.
    let plain = manifest(&format!("allowed_outbound_hosts = [\"redis://127.0.0.1:{port}\"]"));
    let program = Program::start(&plain, &[]).await;
    assert_eq!(program.post("/redis", &ping).await.json(), json!({"error": "Error::InvalidAddress"}));
}
