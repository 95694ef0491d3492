//! The WIT interface, in terms of the port.
//!
//! The `-async` functions let other tasks of the instance run meanwhile; the plain ones hold the
//! instance until they are done.

use super::{Postgres, Rows, Session, SizedRow};
use crate::instance::State;
use futures::{Stream, StreamExt, TryStreamExt};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureReader, HasData, Linker, Resource, ResourceTable, ResourceTableError,
    StreamProducer, StreamReader, StreamResult, VecBuffer,
};

mod generated {
    wasmtime::component::bindgen!({
        inline: "package talkif:postgres-host; world imports { import spin:postgres/postgres@4.2.0; }",
        path: "../wit/deps/spin-postgres-4.2.0",
        imports: {
            "spin:postgres/postgres.[constructor]connection-builder": trappable,
            default: async,
        },
        with: {
            "spin:postgres/postgres.connection": super::Connection,
            "spin:postgres/postgres.connection-builder": super::Builder,
        },
    });
}

pub(crate) use generated::spin::postgres::postgres as wire;
use wire::{Column, Error, ParameterValue, QueryError, Row, RowSet};

/// The most bytes of rows that the host collects for a plain `query`.
const MAX_RESULT: usize = 128 << 20;
/// Rows handed to the guest at a time.
const BATCH: usize = 64;

/// An open connection.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(Arc<dyn Session>);

/// An address on its way to becoming a connection.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Builder(String);

/// Adds the interface to `linker`.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wire::add_to_linker::<State, Capability>(linker, |state| View {
        postgres: state.grants.postgres.clone(),
        table: &mut state.table,
    })
}

struct Capability;

struct View<'a> {
    postgres: Postgres,
    table: &'a mut ResourceTable,
}

impl HasData for Capability {
    type Data<'a> = View<'a>;
}

impl View<'_> {
    fn session(&self, connection: &Resource<Connection>) -> Result<Arc<dyn Session>, Error> {
        self.table.get(connection).map(|connection| Arc::clone(&connection.0)).map_err(table_error)
    }

    fn address(&self, builder: &Resource<Builder>) -> Result<String, Error> {
        self.table.get(builder).map(|builder| builder.0.clone()).map_err(table_error)
    }

    fn push(&mut self, session: Arc<dyn Session>) -> Result<Resource<Connection>, Error> {
        self.table.push(Connection(session)).map_err(table_error)
    }

    async fn open(&mut self, address: &str) -> Result<Resource<Connection>, Error> {
        let session = self.postgres.open(address).await?;
        self.push(session)
    }
}

fn table_error(error: ResourceTableError) -> Error {
    Error::Other(error.to_string())
}

impl wire::Host for View<'_> {}

impl wire::HostConnection for View<'_> {
    async fn open(&mut self, address: String) -> Result<Resource<Connection>, Error> {
        View::open(self, &address).await
    }

    async fn query(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<RowSet, Error> {
        collect(self.session(&connection)?.query(statement, parameters).await?).await
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        self.session(&connection)?.execute(statement, parameters).await
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl wire::HostConnectionBuilder for View<'_> {
    fn new(&mut self, address: String) -> wasmtime::Result<Resource<Builder>> {
        Ok(self.table.push(Builder(address))?)
    }

    async fn set_ca_root(&mut self, _: Resource<Builder>, _: String) -> Result<(), Error> {
        Err(Error::Other("this host speaks to Postgres without TLS".to_owned()))
    }

    async fn build(&mut self, builder: Resource<Builder>) -> Result<Resource<Connection>, Error> {
        let address = self.address(&builder)?;
        View::open(self, &address).await
    }

    async fn drop(&mut self, builder: Resource<Builder>) -> wasmtime::Result<()> {
        self.table.delete(builder)?;
        Ok(())
    }
}

impl<T> wire::HostConnectionBuilderWithStore<T> for Capability {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        builder: Resource<Builder>,
    ) -> Result<Resource<Connection>, Error> {
        let address = accessor.with(|mut access| access.get().address(&builder))?;
        open(accessor, &address).await
    }
}

impl<T> wire::HostConnectionWithStore<T> for Capability {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        address: String,
    ) -> Result<Resource<Connection>, Error> {
        open(accessor, &address).await
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<(Vec<Column>, StreamReader<Row>, FutureReader<Result<(), Error>>), Error> {
        let session = accessor.with(|mut access| access.get().session(&connection))?;
        let (columns, producer, outcome) = start(session.query(statement, parameters).await?).await;
        let readers = accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, producer)?;
            wasmtime::error::Ok((rows, FutureReader::new(&mut access, outcome)?))
        });
        let (rows, outcome) = readers.map_err(|error| Error::Other(error.to_string()))?;
        Ok((columns, rows, outcome))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<u64, Error> {
        let session = accessor.with(|mut access| access.get().session(&connection))?;
        session.execute(statement, parameters).await
    }
}

async fn open<T>(accessor: &Accessor<T, Capability>, address: &str) -> Result<Resource<Connection>, Error> {
    let postgres = accessor.with(|mut access| access.get().postgres.clone());
    let session = postgres.open(address).await?;
    accessor.with(|mut access| access.get().push(session))
}

/// All rows at once. As in Spin, no rows means no columns either.
async fn collect(result: Rows) -> Result<RowSet, Error> {
    let mut taken = 0;
    let mut rows = Vec::new();
    let mut arriving = result.rows;
    while let Some(row) = arriving.try_next().await? {
        taken += row.bytes;
        if taken > MAX_RESULT {
            let reason = format!("query result exceeds limit of {MAX_RESULT} bytes");
            return Err(Error::QueryFailed(QueryError::Text(reason)));
        }
        rows.push(row.values);
    }
    let columns = if rows.is_empty() { Vec::new() } else { result.columns };
    Ok(RowSet { columns, rows })
}

type Outcome = Pin<Box<dyn Future<Output = wasmtime::Result<Result<(), Error>>> + Send>>;

/// Waits for the first row, as Spin does, to know whether there are columns to speak of. An error
/// of the query itself is part of the outcome, not of the call.
async fn start(result: Rows) -> (Vec<Column>, RowProducer, Outcome) {
    let (done, outcome) = oneshot::channel();
    let mut rows = result.rows.fuse();
    let first = rows.next().await;
    let columns = if matches!(first, Some(Ok(_))) { result.columns } else { Vec::new() };
    let rows = futures::stream::iter(first).chain(rows).fuse().boxed();
    // A guest that stops reading early has seen no error.
    let outcome = async { Ok(outcome.await.unwrap_or(Ok(()))) };
    (columns, RowProducer { rows, done: Some(done) }, Box::pin(outcome))
}

/// Feeds rows to the guest as it asks for them.
struct RowProducer {
    rows: Pin<Box<dyn Stream<Item = Result<SizedRow, Error>> + Send>>,
    done: Option<oneshot::Sender<Result<(), Error>>>,
}

impl RowProducer {
    /// The rows that are there, up to a batch, and whether these were the last.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> (Vec<Row>, bool) {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let end = match self.rows.as_mut().poll_next(cx) {
                Poll::Pending => return (batch, false),
                Poll::Ready(Some(Ok(row))) => {
                    batch.push(row.values);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => Ok(()),
            };
            // The guest may have dropped the future; then nobody wants to know.
            self.done.take().map(|done| done.send(end));
            return (batch, true);
        }
        (batch, false)
    }
}

impl<D> StreamProducer<D> for RowProducer {
    type Item = Row;
    type Buffer = VecBuffer<Row>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Row, VecBuffer<Row>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.poll_batch(cx) {
            (batch, false) if batch.is_empty() && finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            (batch, false) if batch.is_empty() => Poll::Pending,
            (batch, last) => {
                destination.set_buffer(batch.into());
                Poll::Ready(Ok(if last { StreamResult::Dropped } else { StreamResult::Completed }))
            }
        }
    }
}
