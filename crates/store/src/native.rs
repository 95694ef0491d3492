//! Db on sqlx.
