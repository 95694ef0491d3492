//! What every component shares: Spin's Postgres, Redis, variables and clock behind the api crate's ports.
