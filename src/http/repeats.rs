//! Fields that a body says twice: which of them is meant is anybody's guess, so neither is taken.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The pointer to the first field of a JSON text that is said twice, if there is one.
#[must_use]
pub fn repeated(body: &[u8]) -> Option<String> {
    let mut found = None;
    let looking = Looking { at: String::new(), found: &mut found };
    // What is no JSON at all is found out elsewhere.
    let _ = looking.deserialize(&mut serde_json::Deserializer::from_slice(body));
    found
}

/// Looks through one value.
struct Looking<'a> {
    at: String,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Looking<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! single {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E>(self, _: $type) -> Result<(), E> {
            Ok(())
        }
    )*};
}

impl<'de> Visitor<'de> for Looking<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    single! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // No request has an array: what is in one does not matter.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            let at = format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"));
            if !names.insert(name) {
                *self.found = Some(at);
                return Err(A::Error::custom("said twice"));
            }
            fields.next_value_seed(Looking { at, found: &mut *self.found })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_found_wherever_it_stands() {
        for (body, found) in [
            (r#"{"a":1,"b":{"a":2}}"#, None),
            (r#"{"a":1,"a":1}"#, Some("/a")),
            (r#"{"a":{"b":1,"c":2,"b":{}}}"#, Some("/a/b")),
            (r#"{"a":{"b":null},"c":true,"\u0061":-1.5}"#, Some("/a")),
            (r#"{"x/y~":"","x/y~":""}"#, Some("/x~1y~0")),
            (r#"[{"a":1,"a":2}]"#, None),
            ("no JSON", None),
            ("", None),
        ] {
            assert_eq!(repeated(body.as_bytes()).as_deref(), found, "{body}");
        }
    }
}
