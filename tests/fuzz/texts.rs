//! Ids, keys and phone numbers: a parsed text is written as it was read, and every other is refused.

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};
use saem::{
    ChargeKey, Correlation, CustomerId, DeliveryId, EntityId, ParkedKey, PaymentId, Phone, ProductId,
    RentalId, TraceContext,
};

const CASES: u32 = 8_192;

/// Valid texts.
const VALID: [&str; 12] = [
    "rental_01h455vb4pex5vsknk084sn02q",
    "payment_01h455vb4pex5vsknk084sn02q",
    "customer_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    "delivery_00000000000000000000000000",
    "product_01h455vb4pex5vsknk084sn02q",
    "product.17.product_01h455vb4pex5vsknk084sn02q",
    "010-1234-5678",
    "+82 10 1234 5678",
    "0112345678",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "payment_01h455vb4pex5vsknk084sn02q-1",
];

/// A valid text with some other characters, or any text.
fn text() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        any::<char>(),
        prop::sample::select("0123456789abcdefz_-.+ 공\0\u{202e}".chars().collect::<Vec<_>>())
    ];
    let changed =
        (0..VALID.len(), vec((any::<Index>(), any::<bool>(), odd), 0..4)).prop_map(|(which, changes)| {
            let mut text: Vec<char> = VALID[which].chars().collect();
            for (at, replaces, c) in changes {
                let at = at.index(text.len() + 1);
                let end = (at + usize::from(replaces)).min(text.len());
                text.splice(at..end, [c]);
            }
            text.into_iter().collect()
        });
    prop_oneof![4 => changed, 1 => any::<String>()]
}

/// Asserts that a parsed id is written as it was read.
fn is_as_written<T: std::fmt::Display, E>(text: &str, read: Result<T, E>) {
    if let Ok(id) = read {
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn parsed_text_is_written_as_it_was_read() {
    let tried = TestRunner::new(crate::config(CASES)).run(&text(), |text| {
        is_as_written(&text, RentalId::parse(&text));
        is_as_written(&text, PaymentId::parse(&text));
        is_as_written(&text, DeliveryId::parse(&text));
        is_as_written(&text, ProductId::parse(&text));
        is_as_written(&text, CustomerId::parse(&text));
        is_as_written(&text, EntityId::parse(&text));
        is_as_written(&text, Correlation::parse(&text).ok_or(()));
        is_as_written(&text, ParkedKey::parse(&text).ok_or(()));
        is_as_written(&text, text.parse::<ChargeKey>());
        let _ = TraceContext::parse(&text);
        if let Ok(phone) = Phone::parse(&text) {
            let number = phone.as_e164();
            prop_assert!(number.starts_with("+82") && (12..=13).contains(&number.len()), "{}", number);
            prop_assert!(number[1..].bytes().all(|b| b.is_ascii_digit()), "{}", number);
            prop_assert_eq!(Phone::parse(number), Ok(phone.clone()));
            let shown = format!("{phone:?}");
            prop_assert!(!shown.contains(&number[3..8]), "{}", shown);
        }
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
