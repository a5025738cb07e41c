//! Values of settings that are more than a number or a text: secrets, lists, durations.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::InvalidSetting;

/// A text that is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Puts what `file` says in the place of `secret`, without white space around it. `key` is the setting that
/// names the file.
pub(super) fn read_secret(
    key: &'static str,
    secret: &mut Option<Secret>,
    file: Option<&Path>,
) -> Result<(), InvalidSetting> {
    let Some(file) = file else { return Ok(()) };
    let wrong =
        |rule: String| InvalidSetting { key: key.to_owned(), value: file.display().to_string(), rule };
    if secret.is_some() {
        let itself = key.trim_end_matches("_file");
        return Err(wrong(format!("must not be set together with {itself}")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(wrong("must hold a secret; the file is empty".to_owned())),
        text => {
            *secret = Some(Secret(text.to_owned()));
            Ok(())
        }
    }
}

/// Texts: an array in a file, separated by commas in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be a list of texts")]
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

/// Reads `90s`, `30m`, `24h` or `7d`, as ms; at least a second, at most a year.
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
