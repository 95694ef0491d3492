//! The phone lab: virtual phones, a carrier and stand-ins of the AI vendors.

pub mod mind;
pub mod speech;
pub mod standins;
