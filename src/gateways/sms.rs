//! Text messages: who sends them.

use std::{future::Future, pin::Pin};

use thiserror::Error;
use tracing::{field::display, info};

use crate::domain::{Correlation, NotificationId, phone::Phone};

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// Its id: a gateway that sees it twice has seen a repetition.
    pub id: NotificationId,
    /// Whom to.
    pub phone: Phone,
    /// What.
    pub text: String,
    /// Its rental's correlation, if it is known.
    pub correlation: Option<Correlation>,
}

/// A message that could not be handed over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the SMS gateway did not take it: {0}")]
pub struct SmsError(pub String);

/// A message being handed over.
pub type Sending = Pin<Box<dyn Future<Output = Result<(), SmsError>> + Send>>;

/// An SMS gateway. `Ok` means that it has taken the message; after an error it is asked again.
///
/// ```
/// use std::future::ready;
///
/// use saem::gateways::sms::{Sending, SmsGateway, TextMessage};
///
/// struct Crier;
///
/// impl SmsGateway for Crier {
///     fn provider(&self) -> &'static str {
///         "crier"
///     }
///     fn send(&self, message: TextMessage) -> Sending {
///         println!("{}: {}", message.phone.masked(), message.text);
///         Box::pin(ready(Ok(())))
///     }
/// }
///
/// assert_eq!(Crier.provider(), "crier");
/// ```
pub trait SmsGateway: Send + Sync + 'static {
    /// The provider's name.
    fn provider(&self) -> &'static str;

    /// Hands a message over.
    fn send(&self, message: TextMessage) -> Sending;
}

/// Writes messages to the log instead of sending them, the number masked.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSms;

impl SmsGateway for LogSms {
    fn provider(&self) -> &'static str {
        "log"
    }

    fn send(&self, message: TextMessage) -> Sending {
        let TextMessage { id, phone, text, correlation } = message;
        let correlation = correlation.map(display);
        info!(notification = %id, correlation, phone = phone.masked(), text, "a text message");
        Box::pin(std::future::ready(Ok(())))
    }
}
