//! Types of settings: secret, list, duration.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::InvalidSetting;

/// String that is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Sets `secret` to the trimmed text of `file`. `key` is the setting that names the file.
pub(super) fn read_secret(
    key: &'static str,
    secret: &mut Option<Secret>,
    file: Option<&Path>,
) -> Result<(), InvalidSetting> {
    let Some(file) = file else { return Ok(()) };
    let invalid =
        |rule: String| InvalidSetting { key: key.to_owned(), value: file.display().to_string(), rule };
    if secret.is_some() {
        let secret_key = key.trim_end_matches("_file");
        return Err(invalid(format!("must not be set together with {secret_key}")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(invalid("must hold a secret; the file is empty".to_owned())),
        text => {
            *secret = Some(Secret(text.to_owned()));
            Ok(())
        }
    }
}

/// List of strings: an array in a file, separated by commas in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be a list of strings")]
        enum Form {
            Line(String),
            Array(Vec<String>),
        }
        let texts = match Form::deserialize(deserializer)? {
            Form::Line(line) => line.split(',').map(str::to_owned).collect(),
            Form::Array(texts) => texts,
        };
        let texts = texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Self(texts.collect()))
    }
}

/// Parses `90s`, `30m`, `24h` or `7d` into ms; none unless it is one second to 366 days.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=366 * 24 * 60 * 60).contains(&seconds).then_some(seconds * 1_000)
}
