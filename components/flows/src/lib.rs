//! The flows component.
