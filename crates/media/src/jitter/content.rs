//! What a jitter buffer keeps of a stream's packets.

/// The packets of one stream, by place. Places and lengths are eighths of a millisecond; a frame
/// is 160 of them. A new stream starts with a new, empty content.
pub trait Content: Default {
    /// What one packet holds.
    type Packet: ?Sized;

    /// How much time a packet covers; 0 for one that makes no sense.
    fn length(packet: &Self::Packet) -> i64;

    /// Keeps a packet; false if its place is taken. Makes room by dropping the oldest.
    fn insert(&mut self, position: i64, packet: &Self::Packet) -> bool;

    /// Fills `frame` with the 20 ms at `position`; true if nothing of it is missing. Called with
    /// growing positions, but the last one may be asked for again.
    fn copy(&mut self, position: i64, frame: &mut [i16]) -> bool;

    /// Start of what is kept.
    fn first(&self) -> Option<i64>;

    /// Start of the first packet that starts after `position`.
    fn first_after(&self, position: i64) -> Option<i64>;

    /// End of what is kept.
    fn end(&self) -> Option<i64>;

    /// How much is kept, gaps not counted.
    fn kept(&self) -> i64;

    /// Drops what ends at or before `position`.
    fn forget_before(&mut self, position: i64);
}
