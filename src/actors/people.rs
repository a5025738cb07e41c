//! Personal data in the vault: a record for each customer, and an address for each rental.

use serde::{Deserialize, Serialize};

use crate::domain::{CustomerId, RentalId};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub name: String,
    pub phone: String,
    pub password_hash: String,
}

pub(crate) fn person_key(customer: CustomerId) -> String {
    format!("person/{customer}")
}

pub(crate) fn address_key(rental: RentalId) -> String {
    format!("address/{rental}")
}
