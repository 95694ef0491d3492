//! The calls component.
