//! Settings of the shop's brand.

use super::Checks;
use crate::{
    domain::{
        notice::{PREFIX_BYTES_MAX, euc_kr_len},
        text::line,
    },
    shop::Brand,
};

sections! {
    /// Brand of the shop.
    BrandSettings {
        /// Name of the shop on its pages, 1 to 40 characters. Unset: `샘` in Korean, `Saem` in English.
        name: Option<String> = None,
        /// Headline of the first page, 1 to 100 characters. Unset: a text in the language of the page.
        tagline: Option<String> = None,
        /// Prefix of text messages, 1 to 9 bytes in EUC-KR (a Korean letter has two), so that Korean messages
        /// fit into one SMS of 90 bytes. Unset: `[샘]` in Korean, `[Saem]` in English.
        sms_prefix: Option<String> = None,
    }
}

impl BrandSettings {
    pub(super) fn check(&self, checks: &mut Checks) {
        for (key, text, max) in [("shop.name", &self.name, 40), ("shop.tagline", &self.tagline, 100)] {
            let Some(text) = text else { continue };
            let rule = format!("must be one line of 1 to {max} characters");
            checks.require(line(text, 1, max).is_ok(), key, text, &rule);
        }
        if let Some(prefix) = &self.sms_prefix {
            let fits = euc_kr_len(prefix.trim()).is_some_and(|len| (1..=PREFIX_BYTES_MAX).contains(&len));
            let rule = format!(
                "must have 1 to {PREFIX_BYTES_MAX} bytes in EUC-KR, so that messages fit into one SMS"
            );
            checks.require(fits, "shop.sms_prefix", prefix, &rule);
        }
    }

    pub(super) fn brand(&self) -> Brand {
        let trimmed = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
        let Self { name, tagline, sms_prefix } = self;
        Brand { name: trimmed(name), tagline: trimmed(tagline), sms_prefix: trimmed(sms_prefix) }
    }
}
