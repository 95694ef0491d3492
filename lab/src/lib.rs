//! The phone lab: everything around the product that a test would otherwise need money, keys and
//! people for.
//!
//! * [`speech`]: text carried as audio, so that a broken audio path breaks the conversation.
//! * [`standins`]: the AI vendors, on their own wire protocols; [`mind`] is the model's.
//! * [`phones`]: a carrier and virtual phones on SIP and RTP, with personas.
//! * [`Lab`] runs all of it on one SIP and one HTTP port.
//!
//! The lab knows nothing of the product beyond the public protocols, and the product knows
//! nothing of the lab. To add a vendor see [`standins`], to add a persona see [`phones`].

mod control;
mod lab;
pub mod mind;
pub mod phones;
pub mod speech;
pub mod standins;
mod turkish;

pub use lab::{Lab, LabError, LabOptions};
