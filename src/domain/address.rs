//! Korean delivery address. Personal data: it is kept in the vault, never in an event.

use serde::{Deserialize, Serialize};

use super::text::line;

/// Delivery address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    /// Name of the recipient, 1–100 characters.
    pub recipient: String,
    /// Postal code, five digits.
    pub postal_code: String,
    /// Street and number, 1–200 characters.
    pub line1: String,
    /// Flat or floor, up to 200 characters.
    #[serde(default)]
    pub line2: Option<String>,
}

impl Address {
    /// Trims the texts and checks all fields.
    ///
    /// # Errors
    /// The name (such as `postalCode`) and the broken rule of each invalid field.
    pub fn checked(self) -> Result<Self, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        let mut check = |field, text: &str, min, max| match line(text, min, max) {
            Ok(text) => text,
            Err(rule) => {
                wrong.push((field, rule.to_string()));
                String::new()
            }
        };
        let recipient = check("recipient", &self.recipient, 1, 100);
        let line1 = check("line1", &self.line1, 1, 200);
        let line2 = self.line2.map(|line2| check("line2", &line2, 0, 200)).filter(|line2| !line2.is_empty());
        let postal_code = self.postal_code;
        if postal_code.len() != 5 || !postal_code.bytes().all(|b| b.is_ascii_digit()) {
            wrong.push(("postalCode", "must be five digits".to_owned()));
        }
        if wrong.is_empty() { Ok(Self { recipient, postal_code, line1, line2 }) } else { Err(wrong) }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_invalid_fields_are_reported() {
        let address = Address {
            recipient: String::new(),
            postal_code: "123a5".to_owned(),
            line1: "x".repeat(201),
            line2: Some("y".repeat(201)),
        };
        let fields: Vec<_> = address.checked().unwrap_err().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["recipient", "line1", "line2", "postalCode"]);
    }

    fn with(line2: &str) -> Address {
        let [recipient, postal_code, line1, line2] =
            ["홍길동", "04524", "세종대로 110", line2].map(str::to_owned);
        Address { recipient, postal_code, line1, line2: Some(line2) }
    }

    #[test]
    fn debug_hides_the_address() {
        assert_eq!(format!("{:?}", with("3층")), "Address(…)");
    }

    #[test]
    fn empty_second_line_is_dropped() {
        assert_eq!(with(" 3층 ").checked().unwrap().line2.as_deref(), Some("3층"));
        assert_eq!(with("  ").checked().unwrap().line2, None);
    }
}
