//! Private Postgres and Redis from system packages, on loopback, for development and tests.
