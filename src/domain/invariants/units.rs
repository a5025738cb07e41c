//! INV-5 event by event: units of a product in stock, out with rentals, and ever stocked.

use super::{Check, ensure};
use crate::domain::{
    id::ProductId,
    product::{Product, ProductEvent},
};

/// Units of one product, as its events move them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    stock: i64,
    ever: i64,
}

impl Units {
    /// Applies an event of the product, and checks that neither stock nor units out are negative.
    ///
    /// # Errors
    /// The violation. The aggregate must not evolve by such an event: it would panic.
    pub fn apply(&mut self, id: ProductId, event: &ProductEvent) -> Check {
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
        ensure(stock >= 0 && out >= 0, "INV-5", || format!("{id}: {stock} in stock and {out} out"))
    }

    /// Returns the number of units out with rentals.
    #[must_use]
    pub const fn out(&self) -> i64 {
        self.ever - self.stock
    }

    /// Checks that the product's stock and the units `out` add up to all units ever stocked.
    ///
    /// # Errors
    /// The violation.
    pub fn add_up(&self, id: ProductId, product: &Product, out: i64) -> Check {
        let (stock, ever) = (i64::from(product.stock), self.ever);
        ensure(stock + out == ever, "INV-5", || format!("{id}: {stock} in stock + {out} out, of {ever}"))
    }
}
