//! The leads component.
