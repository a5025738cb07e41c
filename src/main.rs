//! Saem (샘), a rental-commerce server.
fn main() {}
