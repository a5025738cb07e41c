//! JSON as it is read, with an eye on fields that a body says twice: which of them is meant is anybody's
//! guess, so neither is taken.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

/// A JSON text, and the pointer to the first field that is said twice, if there is one.
///
/// # Errors
/// It is not JSON.
pub fn read(body: &[u8]) -> serde_json::Result<(Value, Option<String>)> {
    let mut repeated = None;
    let mut text = serde_json::Deserializer::from_slice(body);
    let value = Reading { at: Place::Top, repeated: &mut repeated }.deserialize(&mut text)?;
    text.end()?;
    Ok((value, repeated))
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Top,
    Field(&'a Place<'a>, &'a str),
}

impl fmt::Display for Place<'_> {
    /// As a JSON pointer (RFC 6901).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(above, name) => {
                write!(f, "{above}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
        }
    }
}

/// Reads one value.
struct Reading<'a> {
    at: Place<'a>,
    repeated: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! single {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E>(self, value: $type) -> Result<Value, E> {
            Ok(Value::from(value))
        }
    )*};
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    single! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // No request has an array: what is in one does not matter.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let at = Place::Field(&self.at, &name);
            let value = fields.next_value_seed(Reading { at, repeated: &mut *self.repeated })?;
            match read.entry(name) {
                Entry::Vacant(free) => drop(free.insert(value)),
                Entry::Occupied(first) => {
                    let at = Place::Field(&self.at, first.key()).to_string();
                    self.repeated.get_or_insert(at);
                }
            }
        }
        Ok(Value::Object(read))
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
        ] {
            assert_eq!(read(body.as_bytes()).unwrap().1.as_deref(), found, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_none_whatever_it_says_twice() {
        for body in ["no JSON", "", r#"{"a":1,"a":1"#, r#"{"a":1} {}"#, r#"{"a":01}"#, "\"\u{1}\""] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_text_is_read_as_it_is() {
        let body =
            r#"{"z":null,"a":{"b":"\u00e4","c":[]},"n":[],"t":true,"u":18446744073709551615,"i":-1,"f":0.5}"#;
        assert_eq!(read(body.as_bytes()).unwrap(), (serde_json::from_str(body).unwrap(), None));
    }
}
