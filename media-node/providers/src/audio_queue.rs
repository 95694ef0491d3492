//! The queue between the audio clock and a recogniser's socket.
//!
//! The clock must never wait, so pushing is synchronous, and when the socket does not keep up the
//! **oldest** frame is dropped: late audio is worth less to a conversation than present audio.
//! Control marks are never dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the recogniser's task takes from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioItem {
    /// The caller's audio, silence included.
    Frame(Vec<i16>),
    /// The caller's speech has ended here: let the recogniser finish its words now.
    Finalize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<AudioItem>,
    closed: bool,
    dropped: u64,
    pushed_samples: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ready: Notify,
    capacity: usize,
}

impl Shared {
    // A panic between lock and unlock cannot leave the queue half changed, so poison is ignored.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a queue of at most `capacity` items.
#[must_use]
pub fn audio_queue(capacity: usize) -> (SttAudio, SttAudioSource) {
    let shared = Arc::new(Shared { state: Mutex::default(), ready: Notify::new(), capacity });
    (SttAudio { shared: Arc::clone(&shared) }, SttAudioSource { shared })
}

/// The clock's end. Dropping it closes the recogniser's stream.
#[derive(Debug)]
pub struct SttAudio {
    shared: Arc<Shared>,
}

impl SttAudio {
    /// Queues a frame; drops the oldest one when the queue is full. Never blocks.
    pub fn push(&self, frame: &[i16]) {
        let mut state = self.shared.lock();
        if state.items.len() >= self.shared.capacity {
            drop_oldest_frame(&mut state);
        }
        state.pushed_samples += frame.len() as u64;
        state.items.push_back(AudioItem::Frame(frame.to_vec()));
        drop(state);
        self.shared.ready.notify_one();
    }

    /// Asks for the final words of the speech that has just ended.
    pub fn finalize(&self) {
        self.shared.lock().items.push_back(AudioItem::Finalize);
        self.shared.ready.notify_one();
    }

    /// Frames dropped because the socket did not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Samples queued so far, dropped ones included: what the vendor is asked to hear.
    #[must_use]
    pub fn pushed_samples(&self) -> u64 {
        self.shared.lock().pushed_samples
    }
}

impl Drop for SttAudio {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_one();
    }
}

fn drop_oldest_frame(state: &mut State) {
    let oldest = state.items.iter().position(|item| matches!(item, AudioItem::Frame(_)));
    if let Some(at) = oldest {
        state.items.remove(at);
        state.dropped += 1;
    }
}

/// The recogniser's end.
#[derive(Debug)]
pub struct SttAudioSource {
    shared: Arc<Shared>,
}

impl SttAudioSource {
    /// The next item; `None` once the clock's end is gone and all is taken. Cancel-safe.
    pub async fn next(&mut self) -> Option<AudioItem> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            self.shared.ready.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_frame_and_no_mark() {
        let (audio, mut source) = audio_queue(2);
        audio.finalize();
        audio.push(&[1]);
        audio.push(&[2]);
        audio.push(&[3]);
        assert_eq!(audio.dropped(), 2);
        assert_eq!(source.next().await, Some(AudioItem::Finalize));
        assert_eq!(source.next().await, Some(AudioItem::Frame(vec![3])));
    }

    #[tokio::test]
    async fn what_was_pushed_is_still_taken_after_the_end() {
        let (audio, mut source) = audio_queue(4);
        audio.push(&[1]);
        drop(audio);
        assert_eq!(source.next().await, Some(AudioItem::Frame(vec![1])));
        assert_eq!(source.next().await, None);
    }

    #[tokio::test]
    async fn a_waiting_source_is_woken_by_a_frame() {
        let (audio, mut source) = audio_queue(4);
        let waiting = tokio::spawn(async move { source.next().await });
        tokio::task::yield_now().await;
        audio.push(&[7]);
        assert_eq!(waiting.await.unwrap(), Some(AudioItem::Frame(vec![7])));
    }
}
