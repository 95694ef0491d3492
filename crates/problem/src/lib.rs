//! The error body and the code catalogue.
