//! Routes, handlers and wire types of the public API, against ports.
