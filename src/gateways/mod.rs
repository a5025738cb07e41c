//! External providers behind traits: payment gateways and SMS gateways.
//!
//! A gateway only speaks a provider's protocol. The payment actor decides when to charge, look up, void
//! or refund; the courier decides when to send a message.

pub(crate) mod payment;
pub(crate) mod sms;
