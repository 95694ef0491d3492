//! The WIT interface, in terms of the port. All of its functions are async.

use super::reply::flatten;
use super::{Redis, Session};
use crate::instance::State;
use redis::{Cmd, FromRedisValue, cmd, from_redis_value};
use std::sync::Arc;
use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceTable};

mod generated {
    wasmtime::component::bindgen!({
        inline: "package talkif:redis-host; world imports { import spin:redis/redis@3.0.0; }",
        path: "../wit/deps/spin-redis-3.0.0",
        imports: { default: async },
        with: { "spin:redis/redis.connection": super::Connection },
    });
}

pub(crate) use generated::spin::redis::redis as wire;
use wire::{Error, RedisParameter, RedisResult};

/// An open connection.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(Arc<dyn Session>);

/// Adds the interface to `linker`.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wire::add_to_linker::<State, Capability>(linker, |state| View {
        redis: state.grants.redis.clone(),
        table: &mut state.table,
    })
}

struct Capability;

struct View<'a> {
    redis: Redis,
    table: &'a mut ResourceTable,
}

impl HasData for Capability {
    type Data<'a> = View<'a>;
}

impl wire::Host for View<'_> {}

impl wire::HostConnection for View<'_> {
    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

/// Runs a command whose reply has one Rust type.
async fn typed<T, R: FromRedisValue>(
    accessor: &Accessor<T, Capability>,
    connection: &Resource<Connection>,
    command: Cmd,
) -> Result<R, Error> {
    from_redis_value(raw(accessor, connection, command).await?).map_err(|_| Error::TypeError)
}

async fn raw<T>(
    accessor: &Accessor<T, Capability>,
    connection: &Resource<Connection>,
    command: Cmd,
) -> Result<redis::Value, Error> {
    let session = accessor.with(|mut access| {
        access.get().table.get(connection).map(|connection| Arc::clone(&connection.0)).map_err(other)
    })?;
    session.run(command).await.map_err(other)
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

fn command(name: &str, arguments: impl redis::ToRedisArgs) -> Cmd {
    let mut command = cmd(name);
    command.arg(arguments);
    command
}

impl<T> wire::HostConnectionWithStore<T> for Capability {
    async fn open(accessor: &Accessor<T, Self>, address: String) -> Result<Resource<Connection>, Error> {
        let redis = accessor.with(|mut access| access.get().redis.clone());
        let session = redis.open(&address).await?;
        accessor.with(|mut access| access.get().table.push(Connection(session)).map_err(other))
    }

    async fn publish(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        channel: String,
        payload: Vec<u8>,
    ) -> Result<(), Error> {
        let mut publish = command("PUBLISH", channel);
        publish.arg(payload);
        raw(accessor, &connection, publish).await.map(drop)
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Error> {
        typed(accessor, &connection, command("GET", key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Error> {
        let mut set = command("SET", key);
        set.arg(value);
        raw(accessor, &connection, set).await.map(drop)
    }

    async fn incr(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<i64, Error> {
        typed(accessor, &connection, command("INCR", key)).await
    }

    async fn del(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> Result<u32, Error> {
        typed(accessor, &connection, command("DEL", keys)).await
    }

    async fn sadd(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        let mut sadd = command("SADD", key);
        sadd.arg(values);
        typed(accessor, &connection, sadd).await
    }

    async fn smembers(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
    ) -> Result<Vec<String>, Error> {
        typed(accessor, &connection, command("SMEMBERS", key)).await
    }

    async fn srem(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> Result<u32, Error> {
        let mut srem = command("SREM", key);
        srem.arg(values);
        typed(accessor, &connection, srem).await
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        name: String,
        arguments: Vec<RedisParameter>,
    ) -> Result<Vec<RedisResult>, Error> {
        let mut command = cmd(&name);
        for argument in arguments {
            match argument {
                RedisParameter::Int64(number) => command.arg(number),
                RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        flatten(raw(accessor, &connection, command).await?)
    }
}
