use crate::call::{Call, Fenced, Finish};
use crate::clock::Clock;
use crate::deps::SessionDeps;
use crate::endings;
use crate::job::{CallJob, Reports};
use crate::journal::Journal;
use crate::listener::Listener;
use crate::prepare;
use crate::recording::writer::{Tap, Writer};
use talkif_call_engine::io::{Command, Ending};
use talkif_telephony::CallLeg;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Holds calls.
#[derive(Debug, Clone, Copy)]
pub struct Session;

impl Session {
    /// Holds one call from its leg's first event to its last report, and returns how it ended.
    ///
    /// The leg of an outbound call is dialling already; that of an inbound call is ringing and is
    /// answered here. `fence` is the call's lease: when it is cancelled, another node owns the
    /// call, the agent falls silent at once and nothing more is reported. A panic inside the call
    /// ends this call alone. Dropping the future ends the call without ceremony.
    pub async fn run(
        job: CallJob,
        leg: Box<dyn CallLeg>,
        deps: SessionDeps,
        commands: mpsc::Receiver<Command>,
        reports: Reports,
        fence: CancellationToken,
    ) -> Ending {
        let clock = Clock::start((deps.wall_clock)());
        let journal = Journal::new(reports, clock, fence.clone());
        let rate = leg.sample_rate();
        let mut call = match prepare_call(&job, leg, &deps, &journal, clock) {
            Ok(call) => call,
            Err(detail) => return refuse(&journal, detail),
        };
        let writer = start_recording(&job, &deps, rate).map(|(tap, writer)| {
            call.record_to(tap);
            writer
        });
        hold(call, writer, commands, journal, fence).await
    }
}

/// The call, or why it cannot be held.
fn prepare_call(
    job: &CallJob,
    mut leg: Box<dyn CallLeg>,
    deps: &SessionDeps,
    journal: &Journal,
    clock: Clock,
) -> Result<Call, String> {
    // The reason may quote the prompt, so it stays out of the record.
    let config = prepare::engine_config(job, &deps.tuning)
        .map_err(|_| "a template of the flow cannot be rendered".to_owned());
    let listener = Listener::new(leg.sample_rate()).map_err(|error| error.to_string());
    match (config, listener) {
        (Ok(config), Ok(listener)) => Ok(Call::new(job, leg, deps, config, listener, journal.clone(), clock)),
        (Err(detail), _) | (_, Err(detail)) => {
            leg.hang_up();
            Err(detail)
        }
    }
}

/// The flow or the leg cannot be used: the call ends before it began.
fn refuse(journal: &Journal, detail: String) -> Ending {
    let ending = endings::unusable(detail);
    journal.finished(ending.clone(), None, None);
    ending
}

fn start_recording(job: &CallJob, deps: &SessionDeps, rate: u32) -> Option<(Tap, Writer)> {
    let config = deps.recording.as_ref().filter(|_| job.flow.call.record)?;
    let path = config.path(job.account_id, job.call_id);
    Some(Writer::start(config, path, rate, rand::random()))
}

/// Runs the call in a task of its own, which is the boundary that a panic does not cross.
async fn hold(
    call: Call,
    writer: Option<Writer>,
    commands: mpsc::Receiver<Command>,
    journal: Journal,
    fence: CancellationToken,
) -> Ending {
    let task = AbortOnDropHandle::new(tokio::spawn(call.run(commands, fence.clone())));
    let finish = match task.await {
        Ok(Ok(finish)) => Some(finish),
        Ok(Err(Fenced)) => None,
        Err(_) => Some(Finish::without_leg(endings::crashed(journal.was_answered()))),
    };
    let Some(finish) = finish.filter(|_| !fence.is_cancelled()) else {
        if let Some(writer) = writer {
            writer.discard().await;
        }
        return endings::fenced(journal.was_answered());
    };
    complete_recording(writer, &journal).await;
    let Finish { ending, sip_status, quality, .. } = finish;
    journal.finished(ending.clone(), sip_status, quality);
    ending
}

async fn complete_recording(writer: Option<Writer>, journal: &Journal) {
    let Some(writer) = writer else { return };
    match writer.finish().await {
        Ok(Some(finished)) => journal.recording(finished),
        Ok(None) => {}
        Err(error) => journal.recording_failed(&error),
    }
}
