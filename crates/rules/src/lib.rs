//! Pure decisions, the same in guests and in native code.
//!
//! | module | decides |
//! |---|---|
//! | [`phone`], [`zones`], [`window`] | is this a number, where does it ring, may it ring now |
//! | [`gate`], [`retry`], [`rate`] | is this call dialled, is it tried again, is there room |
//! | [`router`], [`flow`], [`template`] | which flow takes a lead, what a flow's source means |
//! | [`optout`], [`redact`] | what was said that must stop us, what must not be kept |
//! | [`api_key`], [`secret`], [`signature`], [`artifact`] | who may come in, what is sealed and signed |
//! | [`target`] | may a webhook go there |
//!
//! Nothing here does IO, waits, or knows of tenants. Time and randomness are passed in (the one
//! exception, the seal's own, is named in [`secret`]), so every decision can be repeated from its
//! inputs. Results are for programs: refusals are enums whose words are stored and sent.
//!
//! To add a decision, write a module with its inputs as one plain type, its outcome as an enum,
//! and a table of cases under it; where several decisions meet, add a fact to [`gate`].

pub mod api_key;
pub mod artifact;
pub mod flow;
pub mod gate;
pub mod optout;
pub mod phone;
pub mod rate;
pub mod redact;
pub mod retry;
pub mod router;
pub mod secret;
pub mod signature;
pub mod target;
pub mod template;
pub mod window;
pub mod zones;
