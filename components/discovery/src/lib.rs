//! The discovery component.
