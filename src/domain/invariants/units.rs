//! INV-5, counted event by event: a product's units in stock, out with rentals, and ever stocked.

use super::{Check, hold};
use crate::domain::{
    id::ProductId,
    product::{Product, ProductEvent},
};

/// The units of one product, as its events move them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    stock: i64,
    ever: i64,
}

impl Units {
    /// One event of the product: there is never less than none in stock, or out.
    ///
    /// # Errors
    /// The violation. An aggregate must not be told of such an event.
    pub fn moved(&mut self, id: ProductId, event: &ProductEvent) -> Check {
        match event {
            ProductEvent::ProductRegistered { stock: units, .. }
            | ProductEvent::ProductRestocked { quantity: units } => {
                self.stock += i64::from(*units);
                self.ever += i64::from(*units);
            }
            ProductEvent::ProductDecreased { .. } => self.stock -= 1,
            ProductEvent::ProductIncreased { .. } => self.stock += 1,
            ProductEvent::ProductChanged { .. }
            | ProductEvent::ProductWithdrawn
            | ProductEvent::ProductImageChanged { .. }
            | ProductEvent::StockShort { .. } => {}
        }
        let (stock, out) = (self.stock, self.out());
        hold(stock >= 0 && out >= 0, "INV-5", || format!("{id}: {stock} in stock and {out} out"))
    }

    /// How many are out.
    #[must_use]
    pub const fn out(&self) -> i64 {
        self.ever - self.stock
    }

    /// Whether a product's stock and the units that are `out` are all that was ever stocked.
    ///
    /// # Errors
    /// The violation.
    pub fn are(&self, id: ProductId, product: &Product, out: i64) -> Check {
        let (stock, ever) = (i64::from(product.stock), self.ever);
        hold(stock + out == ever, "INV-5", || format!("{id}: {stock} in stock + {out} out, of {ever}"))
    }
}
