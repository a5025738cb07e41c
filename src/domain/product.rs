//! The life of a product: registered, changed, restocked, and one day withdrawn from new rentals.
//!
//! Stock moves follow the events of rentals, which the product's reactor hands over at least once, in
//! order within a lane. A *fence* makes that exactly once: the product keeps, for each of the 64
//! lanes, the position of the newest event it has acted on, and ignores whatever is not newer. That is
//! exact for ever, in bounded memory.

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

/// The most units one product may have in stock.
pub const MAX_STOCK: u32 = 1_000_000;

/// What a customer sees of a product, and an operator may edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Its name, 1–100 characters.
    pub name: String,
    /// Its maker's model name, 1–100 characters.
    pub model: String,
    /// Up to 2,000 characters.
    pub description: String,
    /// The rental fee, 1 ..= 100,000,000 won.
    pub fee: Money,
}

/// Where a stock move comes from: the lane and the position of the event that causes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The rental's lane.
    pub lane: u8,
    /// The causing event's position.
    pub position: Position,
}

/// What can be asked of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductCommand {
    /// Offer it.
    Register {
        /// What customers see.
        offer: Offer,
        /// Units at hand, up to [`MAX_STOCK`].
        stock: u32,
    },
    /// Change what customers see.
    Change {
        /// The new offer, whole.
        offer: Offer,
        /// The offer this change was made from: refused if it is not the current one any more.
        expected: Option<Offer>,
    },
    /// Add units.
    Restock {
        /// How many.
        quantity: u32,
    },
    /// Take no more new rentals.
    Withdraw,
    /// Show this picture of it.
    ChangeImage {
        /// Which; it is kept already.
        image: Image,
    },
    /// A delivery started: take a unit.
    Decrease {
        /// For which rental.
        rental_id: RentalId,
        /// Where it comes from.
        fence: Fence,
    },
    /// A delivery was canceled: put its unit back, if it was taken.
    Increase {
        /// For which rental.
        rental_id: RentalId,
        /// Where it comes from.
        fence: Fence,
        /// Evidence: the rental's timeline holds `ProductDecreased`, and no `ProductIncreased`.
        taken: bool,
    },
}

/// What can happen to a product. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum ProductEvent {
    /// It is on offer.
    ProductRegistered {
        /// What customers see.
        offer: Offer,
        /// Units at hand.
        stock: u32,
    },
    /// What customers see has changed.
    ProductChanged {
        /// The new offer, whole.
        offer: Offer,
    },
    /// Units were added.
    ProductRestocked {
        /// How many.
        quantity: u32,
    },
    /// No more new rentals.
    ProductWithdrawn,
    /// A unit left for a rental.
    ProductDecreased {
        /// Which.
        rental_id: RentalId,
        /// Where it came from.
        fence: Fence,
    },
    /// There was no unit left for a rental.
    StockShort {
        /// Which.
        rental_id: RentalId,
        /// Where it came from.
        fence: Fence,
    },
    /// A rental's unit came back.
    ProductIncreased {
        /// Which.
        rental_id: RentalId,
        /// Where it came from.
        fence: Fence,
    },
    /// It has another picture.
    ProductImageChanged {
        /// Which.
        image: Image,
    },
}

impl ProductEvent {
    /// The event's type, as the contract names it.
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

    /// The rental a stock move is for.
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

/// Why a product refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProductError {
    /// There is no such product.
    #[error("the product does not exist")]
    NotFound,
    /// It exists already.
    #[error("the product is registered already")]
    Exists,
    /// The offer was changed meanwhile.
    #[error("the product was changed meanwhile")]
    Stale,
    /// More units than a product may have.
    #[error("the stock would exceed {MAX_STOCK} units")]
    StockLimit,
}

/// A product. `offer` is there once it is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// What customers see.
    pub offer: Option<Offer>,
    /// Units at hand.
    pub stock: u32,
    /// Whether it takes no more new rentals.
    pub withdrawn: bool,
    /// For each lane, the position of the newest event acted on. Empty stands for 64 zeros.
    pub fences: Vec<Position>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When offer or withdrawal last changed.
    pub updated_at: Timestamp,
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
            // The catalogue knows which picture it has; a snapshot's format has no room for more.
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
        // Descriptions may take 8 KiB, and a commit no more than 12.
        matches!(command, ProductCommand::Register { .. } | ProductCommand::Change { .. })
    }
}

#[cfg(test)]
#[path = "product_tests.rs"]
mod tests;
