//! Settings that tell of themselves: their keys, their words, their values; and how each is read.
//!
//! Sections are declared once, by the macro below. What is loaded, what is shown, and what the reference
//! says all follow from that.

use std::path::PathBuf;

use config::{Config, ConfigError};
use serde::de::DeserializeOwned;

use super::{InvalidSetting, List, Secret};

/// A setting, with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Such as `http.listen`.
    pub key: String,
    /// What it is for.
    pub words: String,
    /// What its values are, such as `a whole number`.
    pub kind: &'static str,
    /// Its value, as TOML; none if it is not set. A secret is `"***"`.
    pub value: Option<String>,
}

impl Setting {
    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("SAEM_{}", self.key.to_uppercase().replace('.', "__"))
    }
}

/// A section, or a setting.
pub(super) trait Described {
    /// Tells of every setting in it. `key` is its own key.
    fn describe(&self, key: &str, words: &[&str], into: &mut Vec<Setting>);

    /// Takes the values that are set. Those that cannot be read stay as they are, and are told of.
    fn load(&mut self, key: &str, from: &Config, wrong: &mut Vec<InvalidSetting>);
}

/// The key of a field of the section at `key`.
pub(super) fn below(key: &str, field: &str) -> String {
    if key.is_empty() { field.to_owned() } else { format!("{key}.{field}") }
}

macro_rules! sections {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty = $default:expr,)* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::described::Described for $name {
            fn describe(&self, key: &str, _: &[&str], into: &mut Vec<$crate::config::Setting>) {
                $(
                    let field = $crate::config::described::below(key, stringify!($field));
                    self.$field.describe(&field, &[$($field_doc),*], into);
                )*
            }

            fn load(
                &mut self,
                key: &str,
                from: &::config::Config,
                wrong: &mut Vec<$crate::config::InvalidSetting>,
            ) {
                $(
                    let field = $crate::config::described::below(key, stringify!($field));
                    self.$field.load(&field, from, wrong);
                )*
            }
        }
    )*};
}

/// Reads a value, if there is one.
fn read<T: DeserializeOwned>(
    slot: &mut T,
    (key, kind): (&str, &str),
    from: &Config,
    secret: bool,
    wrong: &mut Vec<InvalidSetting>,
) {
    match from.get::<T>(key) {
        Ok(value) => *slot = value,
        Err(ConfigError::NotFound(_)) => {}
        Err(_) => {
            let value = from.get_string(key).unwrap_or_default();
            let value = if secret { "***".to_owned() } else { value };
            wrong.push(InvalidSetting { key: key.to_owned(), value, rule: format!("must be {kind}") });
        }
    }
}

fn quoted(text: &str) -> String {
    // A JSON text is a TOML text, too.
    serde_json::Value::from(text).to_string()
}

macro_rules! settings {
    ($($type:ty, $kind:literal, $secret:literal, |$value:ident| $shown:expr;)*) => {$(
        impl Described for $type {
            fn describe(&self, key: &str, words: &[&str], into: &mut Vec<Setting>) {
                let $value = self;
                let words: Vec<&str> = words.iter().map(|line| line.trim()).collect();
                let (key, words) = (key.to_owned(), words.join(" "));
                into.push(Setting { key, words, kind: $kind, value: $shown });
            }

            fn load(&mut self, key: &str, from: &Config, wrong: &mut Vec<InvalidSetting>) {
                read(self, (key, $kind), from, $secret, wrong);
            }
        }
    )*};
}

settings! {
    String, "a text", false, |text| Some(quoted(text));
    Option<String>, "a text", false, |text| text.as_deref().map(quoted);
    PathBuf, "a path", false, |path| Some(quoted(&path.to_string_lossy()));
    Option<PathBuf>, "a path", false, |path| path.as_ref().map(|path| quoted(&path.to_string_lossy()));
    Option<Secret>, "a text", true, |secret| secret.as_ref().map(|_| quoted("***"));
    List, "a list of texts", false, |list| {
        let texts: Vec<String> = list.0.iter().map(|text| quoted(text)).collect();
        Some(format!("[{}]", texts.join(", ")))
    };
    u64, "a whole number", false, |number| Some(number.to_string());
    u32, "a whole number", false, |number| Some(number.to_string());
    usize, "a whole number", false, |number| Some(number.to_string());
    bool, "true or false", false, |yes| Some(yes.to_string());
}
