//! Errors of settings.

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}{}{value}: {rule}", if .value.is_empty() { "" } else { " = " })]
pub struct InvalidSetting {
    pub key: String,
    /// Value, `***` for a secret, empty if there is none.
    pub value: String,
    /// Violated rule, such as `must be 1 to 64`.
    pub rule: String,
}

/// Error while loading settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read or parsed.
    #[error("bad setting: {0}")]
    Unreadable(#[from] config::ConfigError),
    /// Invalid settings, shown one per line.
    #[error("{}", lines(.0))]
    Invalid(Vec<InvalidSetting>),
}

fn lines(invalid: &[InvalidSetting]) -> String {
    let lines: Vec<String> = invalid.iter().map(|setting| format!("bad setting: {setting}")).collect();
    lines.join("\n")
}
