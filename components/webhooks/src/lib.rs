//! The webhooks component.
