//! Telephone audio without IO.
