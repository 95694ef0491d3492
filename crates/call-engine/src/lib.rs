//! One call as a machine without IO: `engine.handle(input, now)`, then drain
//! [`Engine::poll`](crate), then sleep until the deadline it names.
//!
//! The engine knows the flow, the turn, what was said and what was heard. It deliberately does
//! not know sockets, audio samples, clocks, randomness or a runtime: `now` is passed in, audio
//! is counted, never held. The same inputs at the same times give the same outputs, byte for
//! byte, which is what makes a call replayable and a flow simulable.
//!
//! To add an input or output: a variant in [`io`], its arm in the machine, a scenario in `tests/`.

pub mod io;
