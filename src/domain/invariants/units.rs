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

/// Number of units that an event adds to the stock.
pub(super) fn units_moved(event: &ProductEvent) -> i64 {
    match event {
        ProductEvent::ProductRegistered { stock: units, .. }
        | ProductEvent::ProductRestocked { quantity: units } => i64::from(*units),
        ProductEvent::ProductDecreased { .. } => -1,
        ProductEvent::ProductIncreased { .. } => 1,
        ProductEvent::ProductChanged { .. }
        | ProductEvent::ProductWithdrawn
        | ProductEvent::ProductImageChanged { .. }
        | ProductEvent::StockShort { .. } => 0,
    }
}

impl Units {
    /// Applies an event of the product, and checks that neither stock nor units out are negative. The
    /// aggregate must not evolve by an event that fails: it would panic.
    pub fn apply(&mut self, id: ProductId, event: &ProductEvent) -> Check {
        self.stock += units_moved(event);
        // Only the operator's events change the number of units that there are.
        if event.rental().is_none() {
            self.ever += units_moved(event);
        }
        let (stock, out) = (self.stock, self.out());
        ensure(stock >= 0 && out >= 0, "INV-5", || format!("{id}: {stock} in stock and {out} out"))
    }

    /// Number of units out with rentals.
    pub const fn out(&self) -> i64 {
        self.ever - self.stock
    }

    /// Checks that the product's stock and the units `out` add up to all units ever stocked.
    pub fn add_up(&self, id: ProductId, product: &Product, out: i64) -> Check {
        let (stock, ever) = (i64::from(product.stock), self.ever);
        ensure(stock + out == ever, "INV-5", || format!("{id}: {stock} in stock + {out} out, of {ever}"))
    }
}
