//! Product: offered for rent, restocked, and finally withdrawn from new rentals.
//!
//! ```text
//!            register                    withdraw
//!   ABSENT ───────────▶ OFFERED ───────────────────────▶ WITHDRAWN
//!                       change, restock, change image    change, restock, change image
//!                       decrease, increase               decrease, increase
//! ```
//!
//! Stock moves follow the events of rentals, which the product's reactor delivers at least once, in order
//! within a lane. A *fence* makes each move happen exactly once: for each of the 64 lanes, the product
//! keeps the position of the newest event it acted on, and ignores events that are not newer. That is
//! exact, in bounded memory.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{EntityKind, RentalId},
    image::Image,
    money::Money,
    position::{LANES, Position},
    time::Timestamp,
};
use crate::planted::{self, Bug};

/// Most units of one product in stock.
pub const MAX_STOCK: u32 = 1_000_000;

/// Description and price of a product, as customers see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Product name, 1–100 characters.
    pub name: String,
    /// Manufacturer's model name, 1–100 characters.
    pub model: String,
    /// Description, up to 2,000 characters.
    pub description: String,
    /// Rental fee, 1 ..= 100,000,000 won.
    pub fee: Money,
}

/// Lane and position of the event that causes a stock move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Lane of the rental.
    pub lane: u8,
    pub position: Position,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Current offer; none until the product is registered.
    pub offer: Option<Offer>,
    pub stock: u32,
    /// True if the product takes no more new rentals.
    pub withdrawn: bool,
    /// For each lane, the position of the newest event acted on. Empty stands for 64 zeros.
    pub fences: Vec<Position>,
    pub created_at: Timestamp,
    /// Time of the operator's last change; stock moves of rentals do not count.
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductCommand {
    /// Offer a product with `stock` units, up to [`MAX_STOCK`].
    Register { offer: Offer, stock: u32 },
    /// Replace the offer. Refused if it was based on an offer, `expected`, that is not the current one.
    Change { offer: Offer, expected: Option<Offer> },
    /// Add units to the stock.
    Restock { quantity: u32 },
    /// Take no more new rentals.
    Withdraw,
    /// Show another image, which is stored already.
    ChangeImage { image: Image },
    /// A delivery started: take a unit from stock.
    Decrease { rental_id: RentalId, fence: Fence },
    /// A delivery was canceled: return its unit to stock, if one was taken. `taken` is evidence: the rental's
    /// timeline holds `ProductDecreased`, and no `ProductIncreased`.
    Increase { rental_id: RentalId, fence: Fence, taken: bool },
}

/// An event of a product. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum ProductEvent {
    /// The product is offered, with `stock` units.
    ProductRegistered { offer: Offer, stock: u32 },
    /// `offer` replaces the offer for new rentals.
    ProductChanged { offer: Offer },
    /// The operator added units to the stock.
    ProductRestocked { quantity: u32 },
    /// The product takes no more new rentals.
    ProductWithdrawn,
    /// A unit was taken from stock for a rental.
    ProductDecreased { rental_id: RentalId, fence: Fence },
    /// There was no unit left for a rental.
    StockShort { rental_id: RentalId, fence: Fence },
    /// A rental's unit was returned to stock.
    ProductIncreased { rental_id: RentalId, fence: Fence },
    /// Another image is shown.
    ProductImageChanged { image: Image },
}

impl ProductEvent {
    /// Returns the event's type as the API shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProductRegistered { .. } => "ProductRegistered",
            Self::ProductChanged { .. } => "ProductChanged",
            Self::ProductRestocked { .. } => "ProductRestocked",
            Self::ProductWithdrawn => "ProductWithdrawn",
            Self::ProductDecreased { .. } => "ProductDecreased",
            Self::StockShort { .. } => "StockShort",
            Self::ProductIncreased { .. } => "ProductIncreased",
            Self::ProductImageChanged { .. } => "ProductImageChanged",
        }
    }

    /// Returns the rental that a stock move is for, if the event is one.
    #[must_use]
    pub const fn rental(&self) -> Option<RentalId> {
        match self {
            Self::ProductDecreased { rental_id, .. }
            | Self::StockShort { rental_id, .. }
            | Self::ProductIncreased { rental_id, .. } => Some(*rental_id),
            Self::ProductRegistered { .. }
            | Self::ProductChanged { .. }
            | Self::ProductRestocked { .. }
            | Self::ProductWithdrawn
            | Self::ProductImageChanged { .. } => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProductError {
    #[error("the product does not exist")]
    NotFound,
    #[error("the product is registered already")]
    Exists,
    /// The current offer is not the one that the change is based on.
    #[error("the product was changed meanwhile")]
    Stale,
    #[error("the stock would exceed {MAX_STOCK} units")]
    StockLimit,
}

impl Product {
    fn is_new(&self, fence: Fence) -> bool {
        let newest = self.fences.get(usize::from(fence.lane)).copied().unwrap_or_default();
        fence.position > newest || planted::is(Bug::SkipFence)
    }

    fn passed(&mut self, fence: Fence) {
        self.fences.resize(usize::from(LANES), Position::default());
        self.fences[usize::from(fence.lane)] = fence.position;
    }

    fn offered(&self, offer: Offer, expected: Option<Offer>) -> Result<Vec<ProductEvent>, ProductError> {
        if expected.is_some_and(|expected| self.offer.as_ref() != Some(&expected)) {
            return Err(ProductError::Stale);
        }
        let changed = self.offer.as_ref() != Some(&offer);
        Ok(changed.then_some(ProductEvent::ProductChanged { offer }).into_iter().collect())
    }
}

impl Aggregate for Product {
    const KIND: EntityKind = EntityKind::Product;
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Error = ProductError;

    fn decide(&self, command: ProductCommand) -> Result<Vec<ProductEvent>, ProductError> {
        use ProductCommand as C;
        let nothing = Ok(Vec::new());
        match (self.offer.is_some(), command) {
            (false, C::Register { offer, stock }) => {
                Ok(vec![ProductEvent::ProductRegistered { offer, stock }])
            }
            (true, C::Register { .. }) => Err(ProductError::Exists),
            (
                false,
                C::Change { .. }
                | C::Restock { .. }
                | C::Withdraw
                | C::ChangeImage { .. }
                | C::Decrease { .. }
                | C::Increase { .. },
            ) => Err(ProductError::NotFound),
            (true, C::Change { offer, expected }) => self.offered(offer, expected),
            (true, C::Restock { quantity }) => {
                if self.stock.saturating_add(quantity) > MAX_STOCK {
                    return Err(ProductError::StockLimit);
                }
                Ok(vec![ProductEvent::ProductRestocked { quantity }])
            }
            // The state has no image: the snapshot's format has no field for it. The catalogue keeps it.
            (true, C::ChangeImage { image }) => Ok(vec![ProductEvent::ProductImageChanged { image }]),
            (true, C::Withdraw) if self.withdrawn => nothing,
            (true, C::Withdraw) => Ok(vec![ProductEvent::ProductWithdrawn]),
            (true, C::Decrease { fence, .. } | C::Increase { fence, .. }) if !self.is_new(fence) => nothing,
            (true, C::Decrease { rental_id, fence }) => Ok(vec![if self.stock > 0 {
                ProductEvent::ProductDecreased { rental_id, fence }
            } else {
                ProductEvent::StockShort { rental_id, fence }
            }]),
            (true, C::Increase { taken: false, .. }) => nothing,
            (true, C::Increase { rental_id, fence, taken: true }) => {
                Ok(vec![ProductEvent::ProductIncreased { rental_id, fence }])
            }
        }
    }

    fn evolve(mut self, event: &ProductEvent, at: Timestamp) -> Self {
        match event {
            ProductEvent::ProductRegistered { offer, stock } => {
                self.offer = Some(offer.clone());
                self.stock = *stock;
                self.created_at = at;
                self.updated_at = at;
            }
            ProductEvent::ProductChanged { offer } => {
                self.offer = Some(offer.clone());
                self.updated_at = at;
            }
            ProductEvent::ProductRestocked { quantity } => {
                self.stock += quantity;
                self.updated_at = at;
            }
            ProductEvent::ProductWithdrawn => {
                self.withdrawn = true;
                self.updated_at = at;
            }
            ProductEvent::ProductImageChanged { .. } => self.updated_at = at,
            ProductEvent::ProductDecreased { fence, .. } => {
                self.stock = self.stock.checked_sub(1).expect("INV-5: decided with stock > 0");
                self.passed(*fence);
            }
            ProductEvent::StockShort { fence, .. } => self.passed(*fence),
            ProductEvent::ProductIncreased { fence, .. } => {
                self.stock += 1;
                self.passed(*fence);
            }
        }
        self
    }

    fn is_bulky(command: &ProductCommand) -> bool {
        // A description takes up to 8 KiB, and a commit at most 12 KiB.
        matches!(command, ProductCommand::Register { .. } | ProductCommand::Change { .. })
    }
}

#[cfg(test)]
#[path = "product_tests.rs"]
mod tests;
