//! Validation of text fields: length in characters, and no control characters.

use thiserror::Error;

/// The text breaks a rule of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidText {
    #[error("must have {min} to {max} characters")]
    Length { min: usize, max: usize },
    /// The text has a control character that the field does not allow, or an invisible character.
    #[error("must not contain control or invisible characters")]
    Control,
}

/// Trims and checks a text of one line. Like [`bounded`], but refuses line breaks and tabs.
pub(crate) fn line(text: &str, min: usize, max: usize) -> Result<String, InvalidText> {
    let line = bounded(text, min, max)?;
    if line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Err(InvalidText::Control)
    } else {
        Ok(line)
    }
}

/// Returns true if a character is invisible or changes the direction of text: such names deceive.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Trims `text` and checks that it has `min..=max` characters, without control or invisible characters.
/// Line breaks and tabs pass: descriptions may have them.
pub(crate) fn bounded(text: &str, min: usize, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    if !(min..=max).contains(&text.chars().count()) {
        return Err(InvalidText::Length { min, max });
    }
    if text.chars().any(|c| is_invisible(c) || c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(InvalidText::Control);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_not_bytes() {
        assert_eq!(bounded("정수기", 1, 3).as_deref(), Ok("정수기"));
        assert_eq!(bounded("정수기!", 1, 3), Err(InvalidText::Length { min: 1, max: 3 }));
        assert_eq!(bounded("   ", 1, 3), Err(InvalidText::Length { min: 1, max: 3 }));
        for bad in ["a\0b", "\u{200b}", "a\u{202e}b", "a\u{feff}b"] {
            assert_eq!(bounded(bad, 1, 3), Err(InvalidText::Control), "{bad:?}");
        }
        assert_eq!(bounded("a\nb", 1, 3).as_deref(), Ok("a\nb"));
        for two_lines in ["a\nb", "a\u{2028}b", "a\u{2029}b"] {
            assert_eq!(line(two_lines, 1, 3), Err(InvalidText::Control), "{two_lines:?}");
        }
    }
}
