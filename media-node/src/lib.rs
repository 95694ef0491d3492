//! Dials, takes and holds calls; courier, janitor, artifacts.
