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
    #[error("must not contain control characters")]
    Control,
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
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
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
        assert_eq!(bounded("a\0b", 1, 3), Err(InvalidText::Control));
    }
}
