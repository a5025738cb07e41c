//! SMS gateways. To add a provider: implement [`SmsGateway`] in a file of this folder, add its name and
//! settings to `sms.provider` (`Sms` in `src/config/mod.rs`), and construct it in `open_shop`
//! of `src/config/open.rs`, which then needs a `match` on `sms.provider`.

mod log;

use std::pin::Pin;

use thiserror::Error;

pub use self::log::LogSms;
use crate::domain::{Correlation, NotificationId, phone::Phone};

/// A text message to one customer.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// Idempotency key: a retry carries the same id.
    pub id: NotificationId,
    /// Number of the recipient.
    pub phone: Phone,
    /// Body, as the customer reads it.
    pub text: String,
    /// Correlation id of the rental, if known.
    pub correlation: Option<Correlation>,
}

/// A message that the provider did not accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the SMS gateway did not accept the message: {0}")]
pub struct SmsError(pub String);

/// A call to [`SmsGateway::send`] in progress.
pub type Sending = Pin<Box<dyn Future<Output = Result<(), SmsError>> + Send>>;

/// An SMS gateway.
///
/// ```
/// use std::future::ready;
///
/// use saem::{Sending, SmsGateway, TextMessage};
///
/// struct Printer;
///
/// impl SmsGateway for Printer {
///     fn provider(&self) -> &'static str {
///         "printer"
///     }
///     fn send(&self, message: TextMessage) -> Sending {
///         println!("{}: {}", message.phone.masked(), message.text);
///         Box::pin(ready(Ok(())))
///     }
/// }
///
/// assert_eq!(Printer.provider(), "printer");
/// ```
pub trait SmsGateway: Send + Sync + 'static {
    /// Name of the provider.
    fn provider(&self) -> &'static str;

    /// Sends a message. `Ok` means that the provider accepted it; after an error the caller retries.
    fn send(&self, message: TextMessage) -> Sending;
}
