//! Durable servers keep their data, and none outlives us.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::{Connection, Executor, PgConnection};
use std::net::TcpStream;
use talkif_embedded::{Postgres, Redis};

fn directory(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("talkif-embedded-{name}-{}", std::process::id()))
}

#[tokio::test]
async fn data_survives_a_restart() {
    let directory = directory("restart");
    let server = Postgres::start(&directory).await.unwrap();
    server.create_database("kept").await.unwrap();
    server.create_database("kept").await.unwrap();
    let mut connection = PgConnection::connect(&server.url("kept")).await.unwrap();
    connection.execute("create table marks (n integer)").await.unwrap();
    drop(connection);
    server.stop();

    let server = Postgres::start(&directory).await.unwrap();
    let mut connection = PgConnection::connect(&server.url("kept")).await.unwrap();
    connection.execute("insert into marks values (1)").await.unwrap();
    drop(connection);
    server.stop();
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_stopped_redis_no_longer_listens() {
    let directory = directory("redis");
    let server = Redis::start(&directory).await.unwrap();
    let port = server.port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    server.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    std::fs::remove_dir_all(directory).unwrap();
}
