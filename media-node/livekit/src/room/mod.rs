//! The agent's side of a room.
