//! What is said of settings that cannot be used.

use thiserror::Error;

/// A setting that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {rule}", self.shown())]
pub struct InvalidSetting {
    /// Which.
    pub key: String,
    /// Its value; masked if it is a secret.
    pub value: String,
    /// The rule.
    pub rule: String,
}

impl InvalidSetting {
    fn shown(&self) -> String {
        let Self { key, value, .. } = self;
        if value.is_empty() { key.clone() } else { format!("{key} = {value}") }
    }
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("bad setting: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// They break rules: one line each.
    #[error("{}", lines(.0))]
    Invalid(Vec<InvalidSetting>),
}

fn lines(invalid: &[InvalidSetting]) -> String {
    let lines: Vec<String> = invalid.iter().map(|setting| format!("bad setting: {setting}")).collect();
    lines.join("\n")
}
