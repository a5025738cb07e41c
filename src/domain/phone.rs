//! Korean mobile numbers: typed in many forms, kept in E.164.

use thiserror::Error;

/// A Korean mobile number in E.164, such as `+821012345678`.
///
/// `Debug` masks the number, so that no log line shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// The text is not a Korean mobile number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be a Korean mobile number, such as 010-1234-5678")]
pub struct InvalidPhone;

impl Phone {
    /// Parses a number as people type it: `010-1234-5678`, `01012345678`, `+82 10 1234 5678`.
    ///
    /// # Errors
    /// [`InvalidPhone`] for anything but a mobile number: eight digits after 010, seven or eight after the
    /// older prefixes 011, 016, 017, 018 and 019.
    pub fn parse(typed: &str) -> Result<Self, InvalidPhone> {
        let typed = typed.trim();
        let (international, rest) = typed.strip_prefix('+').map_or((false, typed), |rest| (true, rest));
        let mut digits = String::with_capacity(12);
        for c in rest.chars() {
            match c {
                '0'..='9' if digits.len() < 13 => digits.push(c),
                ' ' | '-' | '.' => {}
                _ => return Err(InvalidPhone),
            }
        }
        let national = if international {
            let national = digits.strip_prefix("82").ok_or(InvalidPhone)?;
            national.strip_prefix('0').unwrap_or(national)
        } else {
            digits.strip_prefix('0').ok_or(InvalidPhone)?
        };
        let (prefix, subscriber) = national.split_at_checked(2).ok_or(InvalidPhone)?;
        let valid = match prefix {
            "10" => subscriber.len() == 8,
            "11" | "16" | "17" | "18" | "19" => matches!(subscriber.len(), 7 | 8),
            _ => false,
        };
        if valid { Ok(Self(format!("+82{national}"))) } else { Err(InvalidPhone) }
    }

    /// Returns the number in E.164.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// Returns the number for logs: only the country code and the last two digits are shown.
    #[must_use]
    pub fn masked(&self) -> String {
        let (_, last) = self.0.split_at(self.0.len() - 2);
        format!("+82******{last}")
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_typed_forms_give_one_number() {
        for typed in
            ["010-1234-5678", "01012345678", "+82 10 1234 5678", "+82-010-1234-5678", " 010 1234 5678 "]
        {
            assert_eq!(Phone::parse(typed).unwrap().as_e164(), "+821012345678", "{typed}");
        }
        assert_eq!(Phone::parse("011-234-5678").unwrap().as_e164(), "+82112345678");
    }

    #[test]
    fn other_texts_are_refused() {
        let not_mobiles = [
            "",
            "0",
            "010",
            "010-1234-567",
            "010-1234-56789",
            "02-123-4567",
            "+1 10 1234 5678",
            "+82",
            "1012345678",
            "010-1234-567a",
            "전화",
            "0101234567800000000000000000",
            "++821012345678",
        ];
        for typed in not_mobiles {
            assert_eq!(Phone::parse(typed), Err(InvalidPhone), "{typed}");
        }
    }

    #[test]
    fn masked_numbers_show_the_last_two_digits() {
        let phone = Phone::parse("010-1234-5678").unwrap();
        assert_eq!(phone.masked(), "+82******78");
        assert_eq!(format!("{phone:?}"), "Phone(+82******78)");
    }
}
