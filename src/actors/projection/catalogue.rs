//! Catalogue: every product as customers see it, in memory.
//!
//! Placing a rental reads the catalogue and sends nothing to the product, so that orders are taken while
//! products are paused.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Projection, Result, Rows, after_prefix, key};
use crate::{
    domain::{
        Event, ProductId, Recorded, Timestamp,
        image::Image,
        product::{Offer, ProductEvent},
    },
    store::{Journal, StoreError, codec},
};

/// Stored row: offer, stock, withdrawn, created, updated.
type Stored = (Offer, u32, bool, Timestamp, Timestamp);
/// Stored row of a product with an image. Rows without one keep the older format.
type StoredWithImage = (Stored, Image);

/// Product as the catalogue lists it; a moment behind its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    pub id: ProductId,
    /// Name, description, fee and other data that customers see.
    pub offer: Offer,
    /// Image, if there is one.
    pub image: Option<Image>,
    /// Units in stock.
    pub stock: u32,
    /// True if no new rentals are taken.
    pub withdrawn: bool,
    /// Time of registration.
    pub created_at: Timestamp,
    /// Time of the last edit, restock, withdrawal or new image.
    pub updated_at: Timestamp,
}

impl ProductView {
    /// Returns true if the product can be rented.
    pub const fn available(&self) -> bool {
        self.stock > 0 && !self.withdrawn
    }
}

#[derive(Clone, Default)]
pub(crate) struct Catalogue {
    products: Arc<RwLock<BTreeMap<ProductId, ProductView>>>,
}

impl Catalogue {
    pub(crate) fn product(&self, id: ProductId) -> Option<ProductView> {
        self.products.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Returns up to `limit` products that are `wanted` and older than `before`, newest first.
    pub(crate) fn products(
        &self,
        before: Option<ProductId>,
        limit: usize,
        wanted: impl Fn(&ProductView) -> bool,
    ) -> Vec<ProductView> {
        let products = self.products.read().unwrap_or_else(PoisonError::into_inner);
        // Product ids sort by time.
        let before = before.unwrap_or(ProductId(u128::MAX));
        let newest_first = products.range(..before).rev().map(|(_, product)| product);
        newest_first.filter(|product| wanted(product)).take(limit).cloned().collect()
    }
}

impl Projection for Catalogue {
    const NAME: &'static str = "catalogue";
    const FORMAT: u8 = 1;
    const PREFIX: &'static [u8] = b"k/";
    const IN_MEMORY: bool = true;

    async fn open(&mut self, journal: &Arc<dyn Journal>) -> Result<()> {
        let rows = journal.view_scan(Self::PREFIX.to_vec(), after_prefix(Self::PREFIX), usize::MAX).await?;
        let mut products = BTreeMap::new();
        for (row_key, row) in rows {
            let product = read_row(&row_key, &row)?;
            products.insert(product.id, product);
        }
        *self.products.write().unwrap_or_else(PoisonError::into_inner) = products;
        Ok(())
    }

    async fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> Result<()> {
        let Event::Product(event) = &recorded.event else { return Ok(()) };
        let id = ProductId(recorded.entity.id);
        let mut products = self.products.write().unwrap_or_else(PoisonError::into_inner);
        let product = folded(products.remove(&id), id, event, recorded.meta.at)
            .ok_or_else(|| StoreError::Corrupt(format!("{id} has events before it was registered")))?;
        rows.put_encoded(key(Self::PREFIX, &[&id.0.to_be_bytes()]), stored(&product)?);
        products.insert(id, product);
        Ok(())
    }
}

/// Folds an event into a product; `None` if the product was never registered.
pub(crate) fn folded(
    product: Option<ProductView>,
    id: ProductId,
    event: &ProductEvent,
    at: Timestamp,
) -> Option<ProductView> {
    if let ProductEvent::ProductRegistered { offer, stock } = event {
        let (offer, stock) = (offer.clone(), *stock);
        let (withdrawn, image) = (false, None);
        return Some(ProductView { id, offer, image, stock, withdrawn, created_at: at, updated_at: at });
    }
    let mut product = product?;
    match event {
        ProductEvent::ProductRegistered { .. } | ProductEvent::StockShort { .. } => return Some(product),
        ProductEvent::ProductDecreased { .. } => {
            return Some(ProductView { stock: product.stock - 1, ..product });
        }
        ProductEvent::ProductIncreased { .. } => {
            return Some(ProductView { stock: product.stock + 1, ..product });
        }
        ProductEvent::ProductChanged { offer } => product.offer = offer.clone(),
        ProductEvent::ProductRestocked { quantity } => product.stock += quantity,
        ProductEvent::ProductWithdrawn => product.withdrawn = true,
        ProductEvent::ProductImageChanged { image } => product.image = Some(*image),
    }
    product.updated_at = at;
    Some(product)
}

fn stored(product: &ProductView) -> Result<Vec<u8>> {
    let ProductView { offer, image, stock, withdrawn, created_at, updated_at, .. } = product;
    let row = (offer, stock, withdrawn, created_at, updated_at);
    image.map_or_else(|| codec::encode(&row), |image| codec::encode(&(row, image)))
}

/// Decodes a stored row. The key ends with the product id.
pub(crate) fn read_row(row_key: &[u8], row: &[u8]) -> Result<ProductView> {
    let id = row_key.last_chunk::<16>().expect("a product's key ends with its id");
    let id = ProductId(u128::from_be_bytes(*id));
    // Neither format decodes as the other, since a row must be read to its last byte.
    let (stored, image) = match codec::decode::<Stored>(row) {
        Ok(stored) => (stored, None),
        Err(_) => codec::decode::<StoredWithImage>(row).map(|(stored, image)| (stored, Some(image)))?,
    };
    let (offer, stock, withdrawn, created_at, updated_at) = stored;
    Ok(ProductView { id, offer, image, stock, withdrawn, created_at, updated_at })
}
