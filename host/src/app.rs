//! An application, loaded: its components compiled and linked, its routes ordered.

use crate::capabilities::{self, HostPatternError, OutboundHosts, postgres::Postgres, redis::Redis};
use crate::engine::{self, EngineError};
use crate::instance::{Grants, Instances, Reuse, State};
use crate::manifest::{Component, Manifest, ManifestError, RouteSpec, Variables, resolve_variables};
use crate::options::Options;
use crate::routes::{Route, RouteError, Routes};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wasmtime::Engine;
use wasmtime::component::{Component as Code, Linker};
use wasmtime_wasi_http::handler::ProxyHandler;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// Components, ready to serve.
pub struct App {
    pub(crate) routes: Routes<Service>,
    /// To be cancelled when nothing is served any more.
    pub(crate) stopped: CancellationToken,
}

/// One component with its instances.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) component: Arc<str>,
    pub(crate) handler: ProxyHandler<Instances>,
}

/// Why an application could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The manifest, or a variable.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An entry of `allowed_outbound_hosts`.
    #[error("component `{component}`: allowed_outbound_hosts: \"{entry}\" {source}")]
    Host {
        /// The component's id.
        component: String,
        /// The entry as written, its variables not filled in.
        entry: String,
        /// What is wrong with it.
        source: HostPatternError,
    },
    /// A component's file is missing.
    #[error("component `{component}`: cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The component's id.
        component: String,
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A component's file is not a component.
    #[error("component `{component}`: cannot compile {path}: {reason}", path = path.display())]
    Compile {
        /// The component's id.
        component: String,
        /// Its file.
        path: PathBuf,
        /// What the compiler said.
        reason: String,
    },
    /// A component imports what this host lacks, or does not export an HTTP handler.
    #[error("component `{component}`: cannot link: {reason}")]
    Link {
        /// The component's id.
        component: String,
        /// Names the import or export.
        reason: String,
    },
}

impl App {
    /// Loads the application that `options` name, with variables from `environment`. Components
    /// are compiled in parallel, each file once.
    ///
    /// # Errors
    /// When anything about the application is wrong: see [`LoadError`].
    pub async fn load(
        options: &Options,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<App, LoadError> {
        let manifest = Manifest::load(&options.from)?;
        let variables = resolve_variables(&manifest, environment)?;
        let grants = grant_all(&manifest, &variables, options)?;
        let engine =
            engine::build(options.cache_dir.as_deref(), options.max_instances, options.max_instance_memory)?;
        let code = compile_all(&engine, &manifest, options).await?;
        let stopped = CancellationToken::new();
        let services = link_all(&engine, &code, grants, options, &stopped)?;
        Ok(App { routes: route_all(&manifest, &services)?, stopped })
    }

    /// Every pattern with its component's id, the most specific first.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes.iter().map(|(route, service)| (route.pattern(), &*service.component))
    }
}

fn grant_all(
    manifest: &Manifest,
    variables: &Variables,
    options: &Options,
) -> Result<BTreeMap<String, Grants>, LoadError> {
    let (postgres, redis) = (Postgres::pooled(), Redis::network());
    let grants = manifest.component.iter().map(|(id, component)| {
        let hosts = Arc::new(outbound_hosts(id, component, variables)?);
        let granted = Grants {
            component: id.as_str().into(),
            environment: Arc::new(component.environment.clone()),
            variables: Arc::new(variables.of_component(id, component)?),
            postgres: postgres.restricted_to(Arc::clone(&hosts)),
            redis: redis.restricted_to(Arc::clone(&hosts)),
            hosts,
            max_memory: options.max_instance_memory,
        };
        Ok((id.clone(), granted))
    });
    grants.collect()
}

fn outbound_hosts(
    id: &str,
    component: &Component,
    variables: &Variables,
) -> Result<OutboundHosts, LoadError> {
    let patterns = component.allowed_outbound_hosts.iter().map(|pattern| variables.expand(id, pattern));
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    OutboundHosts::parse(&patterns).map_err(|source| LoadError::Host {
        component: id.to_owned(),
        entry: component.allowed_outbound_hosts.get(source.index).cloned().unwrap_or_default(),
        source,
    })
}

/// Where the component's file is.
fn locate(component: &Component, options: &Options) -> PathBuf {
    match (&options.component_dir, component.source.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => options.from.parent().unwrap_or(Path::new("")).join(&component.source),
    }
}

async fn compile_all(
    engine: &Engine,
    manifest: &Manifest,
    options: &Options,
) -> Result<BTreeMap<String, Code>, LoadError> {
    let paths: BTreeMap<&String, PathBuf> =
        manifest.component.iter().map(|(id, component)| (id, locate(component, options))).collect();
    let unique: BTreeSet<&PathBuf> = paths.values().collect();
    let jobs = unique.into_iter().map(|path| {
        let id = paths.iter().find(|(_, other)| *other == path).map(|(id, _)| (*id).clone());
        compile(engine.clone(), id.unwrap_or_default(), path.clone())
    });
    let compiled: BTreeMap<PathBuf, Code> = futures::future::try_join_all(jobs).await?.into_iter().collect();
    Ok(paths.into_iter().filter_map(|(id, path)| Some((id.clone(), compiled.get(&path)?.clone()))).collect())
}

async fn compile(engine: Engine, component: String, path: PathBuf) -> Result<(PathBuf, Code), LoadError> {
    let bytes = tokio::fs::read(&path).await.map_err(|source| LoadError::Unreadable {
        component: component.clone(),
        path: path.clone(),
        source,
    })?;
    let compiled = tokio::task::spawn_blocking(move || Code::new(&engine, bytes)).await;
    let reason = match compiled {
        Ok(Ok(code)) => return Ok((path, code)),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => panic.to_string(),
    };
    Err(LoadError::Compile { component, path, reason })
}

fn link_all(
    engine: &Engine,
    code: &BTreeMap<String, Code>,
    grants: BTreeMap<String, Grants>,
    options: &Options,
    stopped: &CancellationToken,
) -> Result<BTreeMap<String, Service>, LoadError> {
    let refuse = |component: &str, error: wasmtime::Error| LoadError::Link {
        component: component.to_owned(),
        reason: format!("{error:#}"),
    };
    let mut linker: Linker<State> = Linker::new(engine);
    capabilities::link(&mut linker).map_err(|error| EngineError::Wasmtime(format!("{error:#}")))?;
    let mut services = BTreeMap::new();
    for (id, granted) in grants {
        let Some(code) = code.get(&id) else { continue };
        let linked = linker.instantiate_pre(code).and_then(ServicePre::new);
        let component = linked.map_err(|error| refuse(&id, error))?;
        services.insert(id, service(engine, component, granted, options, stopped));
    }
    Ok(services)
}

fn service(
    engine: &Engine,
    component: ServicePre<State>,
    grants: Grants,
    options: &Options,
    stopped: &CancellationToken,
) -> Service {
    let reuse = Reuse {
        requests: options.max_instance_reuse_count,
        concurrent_requests: options.max_instance_concurrent_reuse_count,
        idle_timeout: options.idle_instance_timeout,
        request_timeout: options.request_timeout,
    };
    let (engine, stopped) = (engine.clone(), stopped.clone());
    Service {
        component: Arc::clone(&grants.component),
        handler: ProxyHandler::new(Instances { engine, component, grants, reuse, stopped }),
    }
}

fn route_all(
    manifest: &Manifest,
    services: &BTreeMap<String, Service>,
) -> Result<Routes<Service>, RouteError> {
    let mut routes = Vec::new();
    for trigger in &manifest.trigger.http {
        let RouteSpec::Path(pattern) = &trigger.route else { continue };
        if let Some(service) = services.get(&trigger.component) {
            routes.push((Route::parse(pattern)?, service.clone()));
        }
    }
    Routes::new(routes)
}
