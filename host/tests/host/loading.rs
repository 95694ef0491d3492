//! What is refused before anything is served, and in which words.

use crate::support::{load, manifest, probe, probe_directory};
use std::path::Path;

async fn refusal(manifest: &str) -> String {
    probe();
    load(manifest, &probe_directory()).await.err().expect("refused").to_string()
}

/// Why a component of `bytes` in the file `name` is refused.
async fn refusal_of(name: &str, bytes: &[u8]) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(directory.join(name), bytes).unwrap();
    let manifest = manifest("").replace("talkif_host_probe.wasm", name);
    load(&manifest, directory).await.err().expect("refused").to_string()
}

/// A component that does nothing but import the instance `name`, which has one function `f`.
fn importing(name: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let instance_type = [1, 0x42, 2, 0x01, 0x40, 0, 1, 0, 0x04, 0, 1, b'f', 1, 0];
    let mut import = vec![1, 0, u8::try_from(name.len()).unwrap()];
    import.extend_from_slice(name.as_bytes());
    import.extend_from_slice(&[0x05, 0]);
    for (section, content) in [(7, instance_type.as_slice()), (10, import.as_slice())] {
        bytes.extend_from_slice(&[section, u8::try_from(content.len()).unwrap()]);
        bytes.extend_from_slice(content);
    }
    bytes
}

#[tokio::test]
async fn an_import_that_the_host_lacks_is_named_with_its_component() {
    let text = refusal_of("importing.wasm", &importing("acme:rockets/launch")).await;
    assert!(text.starts_with("component `probe`: cannot link:"), "{text}");
    assert!(text.contains("acme:rockets/launch"), "{text}");
}

#[tokio::test]
async fn a_component_without_a_handler_is_refused() {
    let text = refusal_of("empty.wasm", b"\0asm\x0d\0\x01\0").await;
    assert!(text.contains("component `probe`: cannot link:") && text.contains("wasi:http/handler"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_component_is_refused() {
    let text = refusal_of("noise.wasm", b"noise").await;
    assert!(text.starts_with("component `probe`: cannot compile"), "{text}");
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let text = refusal(&manifest("").replace("talkif_host_probe.wasm", "nowhere.wasm")).await;
    assert!(text.starts_with("component `probe`: cannot read") && text.contains("nowhere.wasm"), "{text}");
}

#[tokio::test]
async fn a_missing_variable_names_the_environment_variable() {
    let text = manifest("variables = { key = \"{{ key }}\" }") + "\n[variables]\nkey = { required = true }";
    assert_eq!(refusal(&text).await, "variable `key` is required: set SPIN_VARIABLE_KEY");
}

#[tokio::test]
async fn a_broken_outbound_host_is_refused() {
    let text = refusal(&manifest("allowed_outbound_hosts = [\"127.0.0.1:5432\"]")).await;
    assert_eq!(text, "component `probe`: allowed_outbound_hosts: \"127.0.0.1:5432\" has no scheme");
}

#[tokio::test]
async fn two_triggers_for_one_route_are_refused() {
    let text = manifest("") + "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"probe\"\n";
    assert_eq!(refusal(&text).await, "route `/...` is given twice");
}
