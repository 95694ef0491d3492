//! The task that writes a recording while the call runs.
//!
//! The session's end, a [`Tap`], never waits: when the disk is ten seconds behind, or full, the
//! recording ends and the call goes on. Until it is complete a recording lies under a name of its
//! own, `….part`, which is renamed at the end or removed.

use super::format::{CHANNELS, Sealer};
use super::{RecordingConfig, format::Salt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Frames that go to the writer at once, 200 ms: it need not wake for each.
const GATHERED_FRAMES: usize = 10;
/// 10 s.
const QUEUED_ORDERS: usize = 500 / GATHERED_FRAMES;
/// Seconds in a block.
const BLOCK_SECONDS: usize = 1;

/// What the writer is to do.
enum Order {
    /// Some frames in a row, interleaved.
    Frames(Vec<i16>),
    /// Throw away what there is.
    Discard,
}

/// Where a session puts its frames. Dropping it completes the recording.
pub(crate) struct Tap {
    orders: mpsc::Sender<Order>,
    gathered: Vec<i16>,
    frames: usize,
    /// Frames could not be passed on.
    failed: Arc<AtomicBool>,
}

impl Tap {
    /// Records 20 ms of both sides. Never blocks.
    ///
    /// # Errors
    /// If the recording has ended for a reason of its own; the caller drops the tap then.
    pub(crate) fn record(&mut self, caller: &[i16], agent: &[i16]) -> Result<(), RecordingEnded> {
        self.gathered.extend(caller.iter().zip(agent).flat_map(|(left, right)| [*left, *right]));
        self.frames += 1;
        if self.frames < GATHERED_FRAMES { Ok(()) } else { self.pass_on() }
    }

    fn pass_on(&mut self) -> Result<(), RecordingEnded> {
        let next = Vec::with_capacity(self.gathered.len());
        let frames = std::mem::replace(&mut self.gathered, next);
        self.frames = 0;
        if frames.is_empty() {
            return Ok(());
        }
        self.orders.try_send(Order::Frames(frames)).map_err(|_| {
            self.failed.store(true, Ordering::SeqCst);
            RecordingEnded
        })
    }
}

/// Whatever the end of the call was, a panic included: what there is goes to the writer.
impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.pass_on();
    }
}

/// The recording took no more frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordingEnded;

/// The writer as the session's outer shell holds it, beyond a panic of the call.
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
    tap_failed: Arc<AtomicBool>,
    task: JoinHandle<Result<Option<Finished>, WriteError>>,
}

/// A complete recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Path inside the store.
    pub(crate) path: String,
    /// Encrypted size.
    pub(crate) bytes: u64,
    /// Length.
    pub(crate) duration_ms: u64,
}

/// Why a recording could not be completed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("recording stopped: {}", .0.kind())]
    Io(#[from] std::io::Error),
    #[error("recording stopped: {0}")]
    Seal(#[from] super::format::BlockTooLong),
    #[error("recording stopped: the disk is too slow")]
    TooSlow,
    #[error("recording stopped: its writer ended")]
    Ended,
}

impl Writer {
    /// Starts a recording under `path`. The file is made with the first frame, so a call that is
    /// never answered leaves none.
    pub(crate) fn start(config: &RecordingConfig, path: String, rate: u32, salt: Salt) -> (Tap, Self) {
        let (orders, received) = mpsc::channel(QUEUED_ORDERS);
        let sealer = Sealer::new(&config.key, salt, rate);
        let job = Job { target: config.dir.join(&path), path, rate, sealer };
        let task = tokio::spawn(job.run(received));
        let tap_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&tap_failed);
        let tap = Tap { orders: orders.clone(), gathered: Vec::new(), frames: 0, failed };
        (tap, Self { orders, tap_failed, task })
    }

    /// Waits until the recording is complete; the tap must be gone by now. `None` if there was
    /// nothing to record.
    pub(crate) async fn finish(self) -> Result<Option<Finished>, WriteError> {
        let Self { orders, tap_failed, task } = self;
        let tap_failed = tap_failed.load(Ordering::SeqCst);
        if tap_failed {
            let _ = orders.send(Order::Discard).await;
        }
        drop(orders);
        match task.await {
            Ok(Ok(_)) if tap_failed => Err(WriteError::TooSlow),
            Ok(result) => result,
            Err(_) => Err(WriteError::Ended),
        }
    }

    /// Throws the recording away: another node owns the call now.
    pub(crate) async fn discard(self) {
        // Both can only fail when the writer has ended already, which leaves nothing to discard.
        let _ = self.orders.send(Order::Discard).await;
        let _ = self.task.await;
    }
}

struct Job {
    target: PathBuf,
    path: String,
    rate: u32,
    sealer: Sealer,
}

impl Job {
    async fn run(self, mut orders: mpsc::Receiver<Order>) -> Result<Option<Finished>, WriteError> {
        let first = match orders.recv().await {
            Some(Order::Frames(frames)) => frames,
            Some(Order::Discard) | None => return Ok(None),
        };
        let part = self.target.with_extension("rec.part");
        let target = self.target.clone();
        let written = self.write(&part, first, orders).await;
        // Whatever went wrong, no temporary file stays behind. If the file was never made, there
        // is nothing to remove, and a failing disk may refuse the removal as well.
        match written {
            Ok(Some(finished)) => match fs::rename(&part, &target).await {
                Ok(()) => Ok(Some(finished)),
                Err(error) => {
                    let _ = fs::remove_file(&part).await;
                    Err(error.into())
                }
            },
            other => {
                let _ = fs::remove_file(&part).await;
                other
            }
        }
    }

    async fn write(
        mut self,
        part: &Path,
        first: Vec<i16>,
        mut orders: mpsc::Receiver<Order>,
    ) -> Result<Option<Finished>, WriteError> {
        let mut file = create(part).await?;
        file.write_all(self.sealer.header()).await?;
        let mut bytes = self.sealer.header().len() as u64;
        let block_samples = self.rate as usize * usize::from(CHANNELS) * BLOCK_SECONDS;
        let mut block = first;
        let mut samples = 0;
        loop {
            match orders.recv().await {
                Some(Order::Frames(frames)) if block.len() >= block_samples => {
                    bytes += self.append(&mut file, &block, false).await?;
                    samples += block.len();
                    block = frames;
                }
                Some(Order::Frames(frames)) => block.extend(frames),
                Some(Order::Discard) => return Ok(None),
                None => break,
            }
        }
        bytes += self.append(&mut file, &block, true).await?;
        samples += block.len();
        file.sync_all().await?;
        let duration_ms = self.milliseconds(samples);
        Ok(Some(Finished { path: self.path, bytes, duration_ms }))
    }

    async fn append(&mut self, file: &mut File, samples: &[i16], last: bool) -> Result<u64, WriteError> {
        let sealed = self.sealer.seal(samples, last)?;
        file.write_all(&sealed).await?;
        file.flush().await?;
        Ok(sealed.len() as u64)
    }

    const fn milliseconds(&self, samples: usize) -> u64 {
        let frames = samples as u64 / CHANNELS as u64;
        let rate = if self.rate == 0 { 1 } else { self.rate as u64 };
        frames * 1_000 / rate
    }
}

async fn create(part: &Path) -> std::io::Result<File> {
    if let Some(folder) = part.parent() {
        fs::create_dir_all(folder).await?;
    }
    File::create(part).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{RecordingKey, decrypt_to_wav};
    use talkif_media::wav;
    use talkif_model::Region;

    struct Store(PathBuf);

    impl Store {
        fn new() -> Self {
            let dir = std::env::temp_dir().join(format!("talkif-rec-{:016x}", rand::random::<u64>()));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn config(&self) -> RecordingConfig {
            RecordingConfig { dir: self.0.clone(), region: Region::EuWest, key: RecordingKey([1; 32]) }
        }

        fn files(&self) -> Vec<String> {
            let names = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
            let found = names(&self.0)
                .flat_map(|entry| if entry.is_dir() { names(&entry).collect() } else { vec![entry] });
            found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        }
    }

    impl Drop for Store {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[tokio::test]
    async fn a_recording_reads_back_sample_for_sample() {
        let store = Store::new();
        let (mut tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        let mut expected = Vec::new();
        for number in 0..123_i16 {
            tap.record(&[number; 160], &[-number; 160]).unwrap();
            expected.extend([number, -number].repeat(160));
        }
        drop(tap);
        let finished = writer.finish().await.unwrap().unwrap();
        assert_eq!(finished.duration_ms, 2_460);
        let path = store.0.join("eu/call.rec");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), finished.bytes);
        let wav = wav::read(&decrypt_to_wav(&path, &RecordingKey([1; 32])).unwrap()).unwrap();
        assert_eq!((wav.rate, wav.channels), (8_000, 2));
        assert_eq!(wav.samples, expected);
        assert_eq!(store.files(), ["call.rec"]);
    }

    #[tokio::test]
    async fn a_recording_whose_end_was_not_taken_is_not_complete() {
        let store = Store::new();
        let (mut tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        // Nobody else runs until this one waits, so the queue fills up.
        for _ in 0..QUEUED_ORDERS * GATHERED_FRAMES {
            tap.record(&[1; 160], &[1; 160]).unwrap();
        }
        tap.record(&[1; 160], &[1; 160]).unwrap();
        drop(tap);
        assert!(matches!(writer.finish().await, Err(WriteError::TooSlow)));
        assert!(store.files().is_empty());
    }

    #[tokio::test]
    async fn a_discarded_recording_leaves_no_file() {
        let store = Store::new();
        let (mut tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        tap.record(&[1; 160], &[1; 160]).unwrap();
        writer.discard().await;
        assert!(store.files().is_empty());
    }

    #[tokio::test]
    async fn a_call_without_audio_leaves_no_file() {
        let store = Store::new();
        let (tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        drop(tap);
        assert_eq!(writer.finish().await.unwrap(), None);
        assert!(store.files().is_empty());
    }

    #[tokio::test]
    async fn a_store_that_takes_no_file_ends_the_recording_and_nothing_else() {
        let store = Store::new();
        std::fs::write(store.0.join("eu"), b"a file where a folder must be").unwrap();
        let (mut tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        tap.record(&[1; 160], &[1; 160]).unwrap();
        drop(tap);
        assert!(matches!(writer.finish().await, Err(WriteError::Io(_))));
        assert_eq!(store.files(), ["eu"]);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_no_temporary_file() {
        let store = Store::new();
        std::fs::create_dir(store.0.join("eu")).unwrap();
        // Writing to this device always fails with "no space left".
        std::os::unix::fs::symlink("/dev/full", store.0.join("eu/call.rec.part")).unwrap();
        let (mut tap, writer) = Writer::start(&store.config(), "eu/call.rec".into(), 8_000, [9; 16]);
        tap.record(&[1; 160], &[1; 160]).unwrap();
        drop(tap);
        assert!(matches!(writer.finish().await, Err(WriteError::Io(_))));
        assert!(store.files().is_empty());
    }
}
