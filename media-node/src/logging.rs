//! What the node says of itself, and what it may not say.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;

/// Libraries that log whole messages, and with them numbers and spoken words. Nobody may turn
/// them on.
const PERSONAL_LOGS_OFF: &str =
    "rsipstack=warn,async_openai=off,livekit_api=warn,livekit_signaling=warn,str0m=warn";

/// Where panics are logged. Nobody may turn it off: nothing else says where one was.
const PANICS_ON: &str = "panic=error";

/// Logs to standard output from now on, panics included.
pub(crate) fn start(json: bool) {
    let chosen = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::new(format!("{chosen},{PERSONAL_LOGS_OFF},{PANICS_ON}"));
    // A log that cannot be written, on a full disk, must not panic whoever had something to say.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).log_internal_errors(false);
    if json {
        logs.json().init()
    } else {
        logs.init()
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// A panic ends one task, and the log says where. Its words are shown only if they stand so in the
/// source: those that are made at the moment, as when a text is cut in the middle of a letter,
/// quote what was on the line.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not shown)");
    // Says only that it is disabled, unless RUST_BACKTRACE is set.
    let backtrace = Backtrace::capture();
    tracing::error!(target: "panic", place, words, %backtrace, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(panics: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || std::panic::catch_unwind(panics).unwrap_err());
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_panic_says_where_and_quotes_nobody() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let fixed = logged(|| panic!("out of frames"));
        let words = "günaydın Ayşe".to_owned();
        let quoting = logged(move || {
            let _ = words.split_at(2);
        });
        std::panic::set_hook(before);

        assert!(fixed.contains("out of frames") && fixed.contains("logging.rs:"), "{fixed}");
        assert!(quoting.contains("panicked") && quoting.contains("logging.rs:"), "{quoting}");
        assert!(!quoting.contains("nayd") && !quoting.contains("Ay"), "{quoting}");
    }
}
