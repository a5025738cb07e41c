//! Checkouts: fix the order and the amount before a customer pays in a payment provider's window.
//!
//! | use of a checkout | result |
//! | --- | --- |
//! | by its customer, in time, for its product | the rental gets the id that the checkout fixed |
//! | by its customer, in time, for its deferred rental | its attempt is charged |
//! | again | the result of the first use; nothing is charged |
//! | too late, or after another attempt | 409, and nothing is charged |

use super::{ProductView, Result, Shop, ShopError};
use crate::{
    actors::{
        checkouts::{Checkout, VALID_MS, sent_for},
        entity::reads,
    },
    domain::{
        CheckoutId, CustomerId, Money, PaymentId, ProductId, RentalId, Timestamp,
        payment::{ATTEMPTS_MAX, Attempt, Payment, PaymentPhase},
        rental::{Rental, RentalStatus},
    },
    gateways::payment::{ChargeKey, InvalidMethod, PaymentMethod},
    store::VaultWrite,
};

/// Subject of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purchase {
    /// A new rental of this product.
    Product(ProductId),
    /// A rental whose payment was deferred.
    Rental(RentalId),
}

/// Checkout as returned to its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutView {
    /// Id, sent back with the result of the provider's window.
    pub id: CheckoutId,
    pub payment: PaymentId,
    /// Order id for the provider's window; names the payment and its attempt.
    pub order: ChargeKey,
    pub fee: Money,
    /// End of its validity.
    pub expires_at: Timestamp,
}

impl Shop {
    /// Opens a checkout: fixes the order id and the amount of a payment. Nothing is charged.
    ///
    /// # Errors
    /// [`ShopError::CheckoutUnavailable`] with a payment provider that needs none; the errors of placing for
    /// a product; [`ShopError::NotFound`] and [`ShopError::RentalNotPayable`] for a rental.
    pub async fn check_out(&self, customer: CustomerId, what: Purchase) -> Result<CheckoutView> {
        if !self.gateways.current().needs_checkout() {
            return Err(ShopError::CheckoutUnavailable);
        }
        let id = self.sources.checkout_id();
        let expires_at = self.sources.now().plus_ms(VALID_MS);
        let checkout = match what {
            Purchase::Product(product) => {
                let ProductView { offer, .. } = self.orderable(product, None)?;
                // The rental's id has the bits of the checkout's id.
                let (rental, attempt) = (RentalId(id.0), FIRST);
                Checkout { customer, product, fee: offer.fee, rental, attempt, expires_at, used: false }
            }
            Purchase::Rental(rental) => self.again(customer, rental, expires_at).await?,
        };
        let _present = self.lock_customer(customer).await?;
        self.journal.vault_write(vec![checkout.write(id)?]).await?;
        let Checkout { rental, attempt, fee, expires_at, .. } = checkout;
        let payment = rental.payment();
        Ok(CheckoutView { id, payment, order: ChargeKey { payment, attempt }, fee, expires_at })
    }

    /// Returns the next attempt of a deferred rental. The payment actor checks later that the last attempt is
    /// settled.
    async fn again(&self, customer: CustomerId, rental: RentalId, expires_at: Timestamp) -> Result<Checkout> {
        let state = reads::read::<Rental>(&self.journal, rental).await?;
        let terms = state.terms().map_err(|_| ShopError::NotFound("rental"))?;
        if terms.customer_id != customer {
            return Err(ShopError::NotFound("rental"));
        }
        let payment = reads::read::<Payment>(&self.journal, rental.payment()).await?;
        let open =
            matches!(payment.phase, PaymentPhase::New | PaymentPhase::Requested | PaymentPhase::Declined);
        let attempt = payment.current() + 1;
        if state.status != RentalStatus::PaymentDeferred || !open || attempt > ATTEMPTS_MAX {
            return Err(ShopError::RentalNotPayable);
        }
        let (product, fee) = (terms.product_id, terms.fee);
        Ok(Checkout { customer, product, fee, rental, attempt, expires_at, used: false })
    }

    /// Returns the customer's checkout that the payment method names, if any.
    pub(crate) async fn checkout_of(
        &self,
        method: &PaymentMethod,
        customer: CustomerId,
    ) -> Result<Option<Checkout>> {
        match method {
            PaymentMethod::Card { .. } => Ok(None),
            PaymentMethod::Toss { checkout_id, .. } => {
                let checkout = self.checkouts.find(*checkout_id).await?;
                Ok(checkout.filter(|checkout| checkout.customer == customer))
            }
        }
    }

    /// Checks that the provider accepts the payment method, and that there is a checkout if the method needs
    /// one.
    pub(crate) fn usable(&self, method: &PaymentMethod, checkout: Option<&Checkout>) -> Result<()> {
        self.gateways.current().accepts(method).map_err(ShopError::PaymentMethod)?;
        match (method, checkout) {
            (PaymentMethod::Card { .. }, _) | (PaymentMethod::Toss { .. }, Some(_)) => Ok(()),
            (PaymentMethod::Toss { .. }, None) => Err(wrong("must name a checkout of yours")),
        }
    }

    /// Returns the vault writes for the commit that begins this payment method's attempt.
    pub(crate) fn checkout_writes(
        method: &PaymentMethod,
        checkout: Option<&Checkout>,
    ) -> Result<Vec<VaultWrite>> {
        match (method, checkout) {
            (PaymentMethod::Toss { checkout_id, payment_key }, Some(checkout)) => {
                let Checkout { rental, attempt, .. } = *checkout;
                let mut writes =
                    vec![sent_for(ChargeKey { payment: rental.payment(), attempt }, payment_key)];
                // A first attempt is recorded by its rental.
                if attempt != FIRST {
                    writes.push(Checkout { used: true, ..checkout.clone() }.write(*checkout_id)?);
                }
                Ok(writes)
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn in_time(&self, checkout: &Checkout) -> Result<()> {
        let expired = checkout.expires_at <= self.sources.now();
        if expired { Err(ShopError::CheckoutExpired) } else { Ok(()) }
    }
}

impl Checkout {
    /// Checks that the checkout is for a new rental of this product.
    pub(crate) fn places(&self, product: ProductId) -> Result<()> {
        if self.attempt != FIRST {
            Err(wrong("must be for a product, not for a rental that was placed already"))
        } else if self.product != product {
            Err(wrong("must be for the product that is ordered"))
        } else {
            Ok(())
        }
    }

    /// Checks that the checkout is for this deferred rental.
    pub(crate) fn pays(&self, rental: RentalId) -> Result<()> {
        let pays = self.rental == rental && self.attempt != FIRST;
        if pays { Ok(()) } else { Err(wrong("must be for this rental, to be paid later")) }
    }
}

/// Number of the attempt that placing makes.
const FIRST: Attempt = 1;

const fn wrong(rule: &'static str) -> ShopError {
    ShopError::PaymentMethod(InvalidMethod { field: "checkoutId", rule })
}
