//! Macro `sections!`: declares the settings of a section with description, default, and bounds of a number.
//!
//! Loading, `saem config show` and the reference all follow from that one declaration.

use std::path::PathBuf;

use config::{Config, ConfigError, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::{InvalidSetting, List, Secret};

/// Setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Key, such as `http.listen`.
    pub key: String,
    pub description: String,
    /// Minimum and maximum of a number.
    pub bounds: Option<(u64, u64)>,
    /// Value as TOML, none if it is not set; `"***"` for a secret.
    pub value: Option<String>,
}

impl Setting {
    /// Name of the environment variable.
    pub fn variable(&self) -> String {
        format!("SAEM_{}", self.key.to_uppercase().replace('.', "__"))
    }
}

/// Lines of the description, and bounds.
pub(super) type About<'a> = (&'a [&'a str], Option<(u64, u64)>);

/// Section or setting.
pub(super) trait Describe {
    /// Appends every setting below `key`.
    fn describe(&self, key: &str, about: About<'_>, into: &mut Vec<Setting>);

    /// Takes the values that `from` sets. A malformed value is reported and leaves the default.
    fn load(&mut self, key: &str, from: &Config, invalid: &mut Vec<InvalidSetting>);
}

pub(super) fn join_key(key: &str, field: &str) -> String {
    if key.is_empty() { field.to_owned() } else { format!("{key}.{field}") }
}

pub(super) fn report_unknown(at: &str, value: &Value, known: &[Setting], into: &mut Vec<InvalidSetting>) {
    let is_section = at.is_empty() || known.iter().any(|setting| setting.key.starts_with(&format!("{at}.")));
    let invalid =
        |rule: &str| InvalidSetting { key: at.to_owned(), value: String::new(), rule: rule.to_owned() };
    match &value.kind {
        ValueKind::Table(table) if is_section => {
            let keys: std::collections::BTreeMap<_, _> = table.iter().collect();
            keys.into_iter().for_each(|(key, value)| report_unknown(&join_key(at, key), value, known, into));
        }
        _ if is_section => into.push(invalid("is a section, not a setting")),
        _ if known.iter().any(|setting| setting.key == at) => {}
        _ => into.push(invalid("no such setting; `saem config reference` lists all settings")),
    }
}

macro_rules! sections {
    ($(
        $(#[$doc:meta])*
        $name:ident { $(
            $(#[doc = $field_doc:literal])*
            $field:ident: $type:ty = $default:expr $(=> ($least:expr, $most:expr))?,
        )* }
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

        impl $crate::config::sections::Describe for $name {
            fn describe(
                &self,
                key: &str,
                _: $crate::config::sections::About<'_>,
                into: &mut Vec<$crate::config::Setting>,
            ) {
                $(
                    let field = $crate::config::sections::join_key(key, stringify!($field));
                    // `Some` only where bounds are given.
                    let bounds = None$(.or(Some(($least, $most))))?;
                    self.$field.describe(&field, (&[$($field_doc),*], bounds), into);
                )*
            }

            fn load(
                &mut self,
                key: &str,
                from: &::config::Config,
                invalid: &mut Vec<$crate::config::InvalidSetting>,
            ) {
                $(
                    let field = $crate::config::sections::join_key(key, stringify!($field));
                    self.$field.load(&field, from, invalid);
                )*
            }
        }
    )*};
}

fn read<T: DeserializeOwned>(
    slot: &mut T,
    (key, kind): (&str, &str),
    from: &Config,
    secret: bool,
    invalid: &mut Vec<InvalidSetting>,
) {
    match from.get::<T>(key) {
        Ok(value) => *slot = value,
        Err(ConfigError::NotFound(_)) => {}
        Err(_) => {
            let value = from.get_string(key).unwrap_or_default();
            let value = if secret { "***".to_owned() } else { value };
            invalid.push(InvalidSetting { key: key.to_owned(), value, rule: format!("must be {kind}") });
        }
    }
}

fn quoted(text: &str) -> String {
    // A JSON string is also a TOML string.
    serde_json::Value::from(text).to_string()
}

macro_rules! settings {
    ($($type:ty, $kind:literal, $secret:literal, |$value:ident| $shown:expr;)*) => {$(
        impl Describe for $type {
            fn describe(&self, key: &str, (description, bounds): About<'_>, into: &mut Vec<Setting>) {
                let $value = self;
                let lines: Vec<&str> = description.iter().map(|line| line.trim()).collect();
                let (key, description) = (key.to_owned(), lines.join(" "));
                into.push(Setting { key, description, bounds, value: $shown });
            }

            fn load(&mut self, key: &str, from: &Config, invalid: &mut Vec<InvalidSetting>) {
                read(self, (key, $kind), from, $secret, invalid);
            }
        }
    )*};
}

settings! {
    String, "a string", false, |text| Some(quoted(text));
    Option<String>, "a string", false, |text| text.as_deref().map(quoted);
    PathBuf, "a path", false, |path| Some(quoted(&path.to_string_lossy()));
    Option<PathBuf>, "a path", false, |path| path.as_ref().map(|path| quoted(&path.to_string_lossy()));
    Option<Secret>, "a string", true, |secret| secret.as_ref().map(|_| quoted("***"));
    List, "a list of strings", false, |list| {
        let texts: Vec<String> = list.0.iter().map(|text| quoted(text)).collect();
        Some(format!("[{}]", texts.join(", ")))
    };
    u64, "a whole number", false, |number| Some(number.to_string());
    u32, "a whole number", false, |number| Some(number.to_string());
    usize, "a whole number", false, |number| Some(number.to_string());
    bool, "true or false", false, |yes| Some(yes.to_string());
}
