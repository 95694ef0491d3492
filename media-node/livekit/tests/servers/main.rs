//! Calls through the real `livekit-server` and `livekit-sip`, on loopback.
//!
//! The two servers are built from source (see `servers/`) and started once for all cases, which
//! run side by side. Where they cannot be had, every case is reported as ignored, by name, and the
//! reason is said; in CI that is a failure. Hence a harness of its own.
//!
//! A case that fails because `livekit-server` lost a goodbye in its room is run once more (`logs`).
//!
//! The telephones are our direct leg and sipp. To add a case: an `async fn` that takes the
//! [`World`], and its name in the list of its module.
#![allow(clippy::unwrap_used, reason = "tests")]

mod audio_path;
mod inbound;
mod logs;
mod outages;
mod outbound;
mod party;
mod resume;
mod sipp;
mod transfers;
mod webhooks;
mod world;

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use talkif_embedded::LiveKit;
use tokio::runtime::{Handle, Runtime};
use tokio::time::timeout;
use world::World;

/// One case.
pub(crate) struct Case {
    name: &'static str,
    run: fn(Arc<World>) -> BoxFuture<'static, ()>,
}

/// Cases of these functions, by their names.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        vec![$(crate::Case {
            name: stringify!($name),
            run: |world| Box::pin($name(world)),
        }),+]
    };
}
pub(crate) use cases;

/// No case takes longer, not even on a busy machine.
const LONGEST: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases mostly wait.
    arguments.test_threads.get_or_insert(6);
    let runtime = Runtime::new().unwrap();
    logs::keep();
    let lack = match arguments.list {
        true => None,
        false => runtime.block_on(LiveKit::prepare()).err().map(|lack| lack.to_string()),
    };
    if let Some(lack) = &lack {
        assert!(std::env::var_os("CI").is_none(), "CI has what LiveKit's servers need: {lack}");
        eprintln!("LiveKit's servers cannot be had, so these cases are skipped: {lack}");
    }
    let skipped = lack.is_some() || arguments.list;
    let world = (!skipped).then(|| Arc::new(runtime.block_on(World::start())));
    let trial = |case: Case| trial(case, world.clone(), runtime.handle().clone());
    let cases = [
        // First what waits longest.
        outages::cases(),
        transfers::cases(),
        outbound::cases(),
        inbound::cases(),
        webhooks::cases(),
        audio_path::cases(),
        resume::cases(),
    ]
    .into_iter()
    .flatten();
    let trials = cases.map(trial).map(|trial| trial.with_ignored_flag(lack.is_some())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(case: Case, world: Option<Arc<World>>, runtime: Handle) -> Trial {
    Trial::test(case.name, move || {
        let world = world.ok_or("skipped: LiveKit's servers cannot be had")?;
        match attempt(&case, &world, &runtime) {
            Err(_) if logs::take_lost_goodbye() => {
                eprintln!("{}: livekit-server lost a goodbye, as its log shows; once more", case.name);
                attempt(&case, &world, &runtime)
            }
            ended => ended,
        }
    })
}

/// Runs the case; where it fails, all logs are told.
fn attempt(case: &Case, world: &Arc<World>, runtime: &Handle) -> Result<(), Failed> {
    let logs = world.logs();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            // Falls with the panic, so that all it holds tells its logs, too.
            let mut run = (case.run)(Arc::clone(world));
            let ended = timeout(LONGEST, &mut run).await;
            assert!(ended.is_ok(), "not done after {} s", LONGEST.as_secs());
        });
    }));
    ended.map_err(|panic| {
        logs.tell();
        message(&*panic).into()
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
