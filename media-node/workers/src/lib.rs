//! Dialer, journal, courier, janitor, artifacts: the work that outlives a request.
