//! The phone lab: virtual phones, carrier and vendor stand-ins.
