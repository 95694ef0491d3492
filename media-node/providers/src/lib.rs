//! Speech, model and voice: ports and vendor adapters.
