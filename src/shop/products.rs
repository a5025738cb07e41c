//! Products: registration, changes, stock, images and lists.

use super::{Done, Page, PageRequest, ProductView, RequestContext, Result, Shop, ShopError};
use crate::{
    actors::entity::ask::Decided,
    domain::{
        ProductId,
        context::Context,
        image::{Image, ImageFormat},
        product::{Offer, Product, ProductCommand, ProductError},
    },
};

impl Shop {
    /// Registers a product.
    ///
    /// # Errors
    /// [`ShopError::ContextPaused`]
    pub async fn register_product(
        &self,
        offer: Offer,
        stock: u32,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        // Ids sort by time. With a key that was used before, the answer names the existing product.
        let id = self.sources.product_id();
        self.command_product(id, ProductCommand::Register { offer, stock }, request).await
    }

    /// Changes a product's offer, if its version is still the one that the edit started from.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`ProductError::Stale`] when it is not.
    pub async fn change_product(
        &self,
        id: ProductId,
        offer: Offer,
        expected: Offer,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        let command = ProductCommand::Change { offer, expected: Some(expected) };
        self.command_product(id, command, request).await
    }

    /// Adds units to a product's stock.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`ProductError::StockLimit`] beyond what a product may have.
    pub async fn restock_product(
        &self,
        id: ProductId,
        quantity: u32,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        self.command_product(id, ProductCommand::Restock { quantity }, request).await
    }

    /// Withdraws a product: no new rentals. Safe to repeat.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`ProductError::NotFound`]
    pub async fn withdraw_product(
        &self,
        id: ProductId,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        self.command_product(id, ProductCommand::Withdraw, request).await
    }

    async fn command_product(
        &self,
        id: ProductId,
        command: ProductCommand,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        let asked = self.asked_once::<Product>(request, async |key_guard| {
            self.not_paused(Context::Product)?;
            Ok(self.exchange.ask_once(id, command, request, Vec::new(), key_guard.of_state()).await?)
        });
        let Decided { entity, state, position, replayed, .. } = asked.await?;
        // The next read of the catalogue shows this change.
        self.within_patience(self.progress.catalogue.at(position)).await;
        let id = ProductId(entity.id);
        let image = self.catalogue.product(id).and_then(|product| product.image);
        Ok(Done { value: product_view(id, &state, image)?, position, replayed })
    }

    /// Changes a product's image. Its bytes are on disk before the event; the same image again changes
    /// nothing.
    ///
    /// # Errors
    /// [`ShopError::Images`], or `AskError::Rejected` with [`ProductError::NotFound`].
    pub async fn change_image(
        &self,
        id: ProductId,
        format: ImageFormat,
        bytes: Vec<u8>,
        request: RequestContext,
    ) -> Result<Done<ProductView>> {
        self.not_paused(Context::Product)?;
        let product = self.product(id).ok_or(ProductError::NotFound)?;
        let images = self.settings.images.clone();
        let put = tokio::task::spawn_blocking(move || images.put(format, &bytes)).await;
        let image = put.map_err(images_failed)?.map_err(images_failed)?;
        if product.image == Some(image) {
            return Ok(Done { value: product, position: self.head(), replayed: false });
        }
        self.command_product(id, ProductCommand::ChangeImage { image }, request).await
    }

    /// Returns an image's bytes; `None` if there is no such image.
    ///
    /// # Errors
    /// [`ShopError::Images`]
    pub async fn image(&self, image: Image) -> Result<Option<Vec<u8>>> {
        let images = self.settings.images.clone();
        let read = tokio::task::spawn_blocking(move || images.get(image)).await;
        read.map_err(images_failed)?.map_err(images_failed)
    }

    /// Returns a product from the catalogue.
    #[must_use]
    pub fn product(&self, id: ProductId) -> Option<ProductView> {
        self.catalogue.product(id)
    }

    /// Returns a page of products, newest first; `available` limits it to those that can, or cannot, be
    /// rented.
    ///
    /// # Errors
    /// [`ShopError::BadCursor`]
    pub fn products(&self, available: Option<bool>, page: &PageRequest) -> Result<Page<ProductView>> {
        let before =
            page.cursor.as_deref().map(ProductId::parse).transpose().map_err(|_| ShopError::BadCursor)?;
        let wanted = |product: &ProductView| available.is_none_or(|wanted| wanted == product.available());
        let mut items = self.catalogue.products(before, page.limit + 1, wanted);
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next_cursor })
    }
}

fn images_failed(error: impl ToString) -> ShopError {
    ShopError::Images(error.to_string())
}

fn product_view(id: ProductId, product: &Product, image: Option<Image>) -> Result<ProductView, ProductError> {
    let Product { offer, stock, withdrawn, created_at, updated_at, .. } = product.clone();
    let offer = offer.ok_or(ProductError::NotFound)?;
    Ok(ProductView { id, offer, image, stock, withdrawn, created_at, updated_at })
}
