//! Bounded text: the lengths a field may have, counted in characters, not bytes.

use thiserror::Error;

/// A text is shorter or longer than its field allows, or holds a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// The length is out of bounds.
    #[error("must have {min} to {max} characters")]
    Length {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// A control character other than a line break.
    #[error("must not contain control or invisible characters")]
    Control,
}

/// Like [`bounded`], for what stands on one line: without line breaks and tabs.
///
/// # Errors
/// [`InvalidText`]
pub fn line(text: &str, min: usize, max: usize) -> Result<String, InvalidText> {
    let line = bounded(text, min, max)?;
    if line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Err(InvalidText::Control)
    } else {
        Ok(line)
    }
}

/// Whether a character shows nothing, or turns the text around it: names made of such deceive.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Trims `text` and checks that it has `min..=max` characters, none of them a control character
/// (line breaks and tabs are welcome in a description, so `\n`, `\r` and `\t` pass).
///
/// # Errors
/// [`InvalidText`], naming the rule that failed.
pub fn bounded(text: &str, min: usize, max: usize) -> Result<String, InvalidText> {
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
    fn characters_are_counted_not_bytes() {
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
