//! The actors that are always there, by kind and name.

pub const SERVICES: [(&str, &str); 10] = [
    ("reactor", "rental"),
    ("reactor", "payment"),
    ("reactor", "delivery"),
    ("reactor", "product"),
    ("projection", "mypage"),
    ("projection", "catalogue"),
    ("projection", "notification"),
    ("projection", "agenda"),
    ("errands", "agenda"),
    ("courier", "notification"),
];
