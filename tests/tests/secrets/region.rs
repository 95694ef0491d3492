//! A running region, as its operator starts it, and its API.

use crate::outside::Outside;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// In detail, but for libraries: nobody can turn on their every word in a node.
const DETAIL: &str = "debug,talkif_node=trace,talkif_workers=trace,talkif_session=trace,talkif_providers=trace,\
    talkif_telephony=trace,talkif_store=trace,talkif_host=trace,talkif_lab=warn,hyper=info,h2=info";
/// For a call, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Region {
    pub(crate) api: Api,
    program: Running,
    state: tempfile::TempDir,
    told: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl Region {
    pub(crate) async fn start(outside: &Outside) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut program = talkif_tests::talkif()
            .args(["up", "--port", "0", "--host", "builtin", "--webhook-url"])
            .arg(format!("{}/webhooks", outside.url))
            .arg("--state")
            .arg(state.path())
            .env("RUST_LOG", DETAIL)
            .env("RUST_BACKTRACE", "1")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &outside.url)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(state.path().join("up.stderr")).unwrap())
            .spawn()
            .map(Running)
            .unwrap();
        let stdout = BufReader::new(program.0.stdout.take().unwrap());
        let told = tokio::task::spawn_blocking(move || greeting(stdout)).await.unwrap();
        let api = Api { url: told["API"].clone(), key: told["key"].clone(), ..Api::default() };
        Self { api, program, state, told, http: reqwest::Client::new() }
    }

    /// Three numbers of a country where it is day, each of which the lab has a phone for.
    pub(crate) fn people(&self) -> [String; 3] {
        let day = self.told["lead phone"].clone();
        let (prefix, _) = day.split_at(day.len() - 3);
        ["611", "733", "855"].map(|end| format!("{prefix}{end}"))
    }

    /// What only the operator may know, by name.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        let file = fs::read_to_string(self.state.path().join("up/secrets.json")).unwrap();
        let mut secrets: BTreeMap<String, String> = serde_json::from_str(&file).unwrap();
        secrets.insert("API key".to_owned(), self.told["key"].clone());
        secrets.insert("webhook secret".to_owned(), self.told["secret"].clone());
        secrets.insert("SIP password".to_owned(), "lab-trunk-password".to_owned());
        secrets.insert("vendors' key".to_owned(), "lab-vendor-key".to_owned());
        let password = self.told["database"].split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        if let Some((_, password)) = password.and_then(|(user, _)| user.split_once(':')) {
            secrets.insert("database password".to_owned(), password.to_owned());
        }
        secrets.into_iter().collect()
    }

    pub(crate) async fn persona(&self, number: &str, persona: &str) {
        let number = number.replace('+', "%2B");
        self.lab("PUT", &format!("/lab/phones/{number}"), json!({ "persona": persona })).await;
    }

    pub(crate) async fn inbound(&self, from: &str) {
        let call = json!({"from": from, "to": self.told["own number"], "persona": "hangs-up", "target": self.told["sip"]});
        self.lab("POST", "/lab/calls", call).await;
    }

    /// The next units of every vendor fail, each in another way.
    pub(crate) async fn spoil_vendors(&self) {
        let faults = json!([
            {"provider": "openai", "kind": "garbage", "count": 2},
            {"provider": "openai", "kind": "500", "after": 2, "count": 2},
            {"provider": "deepgram", "kind": "garbage"},
            {"provider": "cartesia", "kind": "drop", "after": 1},
        ]);
        self.lab("PUT", "/lab/faults", faults).await;
    }

    async fn lab(&self, method: &str, path: &str, body: Value) {
        let url = format!("{}{path}", self.told["lab"]);
        let request =
            self.http.request(method.parse().unwrap(), url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub(crate) async fn say_to_sip(&self, messages: &[String]) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for message in messages {
            socket.send_to(message.as_bytes(), &self.told["sip"]).await.unwrap();
        }
    }

    /// Posts a lead; its call.
    pub(crate) async fn lead(&self, lead: &Value) -> String {
        let accepted = self.api.expect("POST", "/v1/leads", "application/json", &lead.to_string(), 202).await;
        accepted["call_id"].as_str().unwrap().to_owned()
    }

    /// A call with all that is kept of it, once it is over.
    pub(crate) async fn ended(&self, call: &str) -> Value {
        let patience = Instant::now() + PATIENCE;
        let path = format!("/v1/calls/{call}?include=transcript,trace");
        loop {
            let call = self.api.expect("GET", &path, "", "", 200).await;
            let running = ["queued", "initiated", "ringing", "in_progress"];
            if !running.contains(&call["status"].as_str().unwrap()) {
                return call;
            }
            assert!(Instant::now() < patience, "the call goes on for ever: {call}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Stops everything; all logs, by file name.
    pub(crate) async fn stop(mut self) -> Vec<(String, String)> {
        // What is still to be exported is exported within seconds.
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::spawn_blocking(move || {
            self.program.end();
            let folder = fs::read_dir(self.state.path().join("up/logs")).unwrap();
            let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
            files.push(self.state.path().join("up.stderr"));
            let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            files.iter().map(|path| (name(path), read(path))).collect()
        })
        .await
        .unwrap()
    }
}

/// A program, and all it started, that ends with the test, however the test ends.
struct Running(Child);

impl Running {
    /// Asks it to end, unless it has, and waits until it is gone.
    fn end(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let pid = self.0.id().to_string();
            let _asked = std::process::Command::new("kill").args(["-TERM", &pid]).status();
            let _ended = self.0.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads what `talkif up` tells its operator, up to its last line.
fn greeting(stdout: impl std::io::BufRead) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for line in stdout.lines().map(Result::unwrap) {
        let line = line.trim();
        if line.starts_with("Ctrl-C drains") {
            return told;
        }
        let mut words = line.split_whitespace();
        let (first, last) = (words.next().unwrap_or_default(), words.next_back().unwrap_or_default());
        match first {
            "API" | "key" | "database" => drop(told.insert(first.to_owned(), last.to_owned())),
            "number" => {
                let (_, address) = last.split_once("sip:").unwrap();
                let (number, sip) = address.split_once('@').unwrap();
                told.insert("own number".to_owned(), number.to_owned());
                told.insert("sip".to_owned(), sip.to_owned());
            }
            "vendors" => drop(told.insert("lab".to_owned(), last.to_owned())),
            "./talkif" if line.contains("--secret") => {
                drop(told.insert("secret".to_owned(), last.to_owned()))
            }
            "-d" => {
                let lead: Value =
                    serde_json::from_str(line.trim_start_matches("-d ").trim_matches('\'')).unwrap();
                told.entry("lead phone".to_owned())
                    .or_insert(lead["phone"].as_str().unwrap_or("").to_owned());
            }
            _ => {}
        }
    }
    panic!("talkif up ended early: {told:?}")
}

/// The API, and every refusal it gave.
#[derive(Default)]
pub(crate) struct Api {
    url: String,
    key: String,
    http: reqwest::Client,
    refusals: Mutex<Vec<(String, String)>>,
}

impl Api {
    pub(crate) fn refusals(&self) -> Vec<(String, String)> {
        self.refusals.lock().unwrap().clone()
    }

    /// A request that must come to `status`.
    pub(crate) async fn expect(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
        status: u16,
    ) -> Value {
        let (got, answer) = self.send(&self.key, method, path, kind, body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// A request that must be refused.
    pub(crate) async fn refused(&self, method: &str, path: &str, kind: &str, body: &str) {
        let (status, answer) = self.send(&self.key, method, path, kind, body).await;
        assert!((400..500).contains(&status), "{method} {path}: {status} {answer}; sent {body}");
    }

    /// A request that may come to anything.
    pub(crate) async fn any(&self, method: &str, path: &str, kind: &str, body: &str) {
        self.send(&self.key, method, path, kind, body).await;
    }

    /// A request with somebody else's key, or none.
    pub(crate) async fn with_key(&self, key: &str, path: &str) {
        assert_eq!(self.send(key, "GET", path, "", "").await.0, 401, "{path}");
    }

    async fn send(&self, key: &str, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let url = format!("{}{path}", self.url);
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(key);
        let answer = request.header("content-type", kind).body(body.to_owned()).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        if status >= 400 {
            self.refusals.lock().unwrap().push((format!("{method} ({status})"), text.clone()));
        }
        (status, text)
    }
}
