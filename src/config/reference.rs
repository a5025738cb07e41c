//! What there is to set, in words: the reference, a file to begin with, and what is set now.

use std::fmt::Write as _;

use super::{Setting, Settings};

const BEGINNING: &str = "\
# Settings

<!-- Made by `saem config reference`; a test compares them. -->

Each setting comes from a TOML file (`--config FILE`), then from the environment, then from a flag, where
there is one: the last one counts. An unknown key is an error. A secret can be kept in a file, too, by its
setting that ends with `_file`.

`saem config check` says everything that is wrong at once; `saem config show` what is set, without secrets;
`saem config reference --toml` prints a file to begin with.
";

/// Every setting with its default, as Markdown: `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(BEGINNING);
    let bounds = Settings::default().bounds();
    let mut section = None;
    for setting in Settings::default().settings() {
        let of = setting.key.rsplit_once('.').map(|(section, _)| section.to_owned());
        if section.as_ref() != Some(&of) {
            let title = of.as_deref().unwrap_or("At the top");
            let _ = write!(text, "\n## {title}\n\n| setting | default | |\n| --- | --- | --- |\n");
            section = Some(of);
        }
        let default =
            setting.value.as_deref().map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        let bound = bounds.iter().find(|(key, ..)| *key == setting.key);
        let bound = bound.map(|(_, least, most)| format!(" {least} to {most}."));
        let (key, variable) = (&setting.key, setting.variable());
        let words = format!("{}{}", setting.words.replace('|', "\\|"), bound.unwrap_or_default());
        let _ = writeln!(text, "| `{key}`<br>`{variable}` | {default} | {words} |");
    }
    text
}

/// Settings as a TOML file, each with what it is for.
#[must_use]
pub fn toml(settings: &[Setting], explain: bool) -> String {
    let mut text = String::new();
    let mut section = None;
    for Setting { key, words, value, .. } in settings {
        let (of, name) = key.rsplit_once('.').unwrap_or(("", key));
        if section != Some(of) {
            if !of.is_empty() {
                let _ = writeln!(text, "{}[{of}]", if text.is_empty() { "" } else { "\n" });
            }
            section = Some(of);
        }
        if explain {
            let _ = writeln!(text, "# {words}");
        }
        let _ = match value {
            Some(value) if explain => writeln!(text, "#{name} = {value}"),
            Some(value) => writeln!(text, "{name} = {value}"),
            None if explain => writeln!(text, "#{name} ="),
            None => Ok(()),
        };
    }
    text
}
