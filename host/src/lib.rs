//! Runs spin.toml on wasmtime where Spin is not installed.
