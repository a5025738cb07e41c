//! Brand of the shop: its name, its slogan and the prefix of its text messages.

use super::{Shop, ShopSettings};
use crate::domain::notice::NoticeStyle;

/// Brand of the shop. Unset parts are those of Saem, in the language of the page or message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    pub name: Option<String>,
    /// Headline of the first page.
    pub tagline: Option<String>,
    /// Prefix of text messages, such as `[Saem]`. With at most 9 bytes in EUC-KR, a Korean message fits into
    /// one SMS.
    pub sms_prefix: Option<String>,
}

impl Shop {
    #[must_use]
    pub const fn brand(&self) -> &Brand {
        &self.settings.brand
    }
}

impl ShopSettings {
    pub(super) fn notice_style(&self) -> NoticeStyle {
        let style = NoticeStyle::from(self.locale);
        match &self.brand.sms_prefix {
            Some(prefix) => NoticeStyle { prefix: prefix.clone(), ..style },
            None => style,
        }
    }
}
