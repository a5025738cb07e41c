//! Checking out: fixing order and amount before a customer pays in a provider's window, and what a checkout
//! is good for when it comes back.
//!
//! | it is used | then |
//! | --- | --- |
//! | to place a rental, by whom and for what it was made, in time | the rental has the id that it fixed |
//! | to pay later, for the attempt that it was made for | that attempt is charged |
//! | once more | what came of the first use is said again; nothing is charged |
//! | too late, or after another attempt | 409, and nothing is charged |

use super::{ProductView, Shop, ShopError};
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

/// What is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purchase {
    /// A rental of this product that is to be placed.
    Product(ProductId),
    /// A rental that was placed, and deferred.
    Rental(RentalId),
}

/// A checkout, as its customer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutView {
    /// Its id, to be sent back with what the window gave.
    pub id: CheckoutId,
    /// The payment that it is for.
    pub payment: PaymentId,
    /// The attempt, as the provider's window is to call the order.
    pub order: ChargeKey,
    /// How much.
    pub fee: Money,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl Shop {
    /// Fixes order and amount of a payment. Nothing is charged, and nothing else is recorded.
    ///
    /// # Errors
    /// [`ShopError::CheckoutUnavailable`] with a payment provider that needs none; what placing has, or
    /// [`ShopError::NotFound`] and [`ShopError::RentalNotPayable`] for a rental.
    pub async fn check_out(&self, customer: CustomerId, what: Purchase) -> Result<CheckoutView, ShopError> {
        if !self.gateways.current().needs_checkout() {
            return Err(ShopError::CheckoutUnavailable);
        }
        let id = self.sources.checkout_id();
        let expires_at = self.sources.now().plus_ms(VALID_MS);
        let checkout = match what {
            Purchase::Product(product) => {
                let ProductView { offer, .. } = self.orderable(product, None)?;
                // The same bits: what it will be called follows from what it was called.
                let (rental, attempt) = (RentalId(id.0), FIRST);
                Checkout { customer, product, fee: offer.fee, rental, attempt, expires_at, used: false }
            }
            Purchase::Rental(rental) => self.again(customer, rental, expires_at).await?,
        };
        let _present = self.lock_customer(customer).await?;
        self.checkouts.keep(id, &checkout).await?;
        let Checkout { rental, attempt, fee, expires_at, .. } = checkout;
        let payment = rental.payment();
        Ok(CheckoutView { id, payment, order: ChargeKey { payment, attempt }, fee, expires_at })
    }

    /// The next attempt at a rental that was deferred. Whether the last one is settled is found out when
    /// this one is sent.
    async fn again(
        &self,
        customer: CustomerId,
        rental: RentalId,
        expires_at: Timestamp,
    ) -> Result<Checkout, ShopError> {
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
        Ok(Checkout {
            customer,
            product: terms.product_id,
            fee: terms.fee,
            rental,
            attempt,
            expires_at,
            used: false,
        })
    }

    /// The checkout that a payment method names, if it names one of this customer's.
    pub(crate) async fn checkout_of(
        &self,
        method: &PaymentMethod,
        customer: CustomerId,
    ) -> Result<Option<Checkout>, ShopError> {
        match method {
            PaymentMethod::Card { .. } => Ok(None),
            PaymentMethod::Toss { checkout_id, .. } => {
                let checkout = self.checkouts.find(*checkout_id).await?;
                Ok(checkout.filter(|checkout| checkout.customer == customer))
            }
        }
    }

    /// Whether a payment method can be used at all: the provider takes it, and a checkout is there if the
    /// method needs one.
    pub(crate) fn usable(
        &self,
        method: &PaymentMethod,
        checkout: Option<&Checkout>,
    ) -> Result<(), ShopError> {
        self.gateways.current().accepts(method).map_err(ShopError::PaymentMethod)?;
        match (method, checkout) {
            (PaymentMethod::Card { .. }, _) | (PaymentMethod::Toss { .. }, Some(_)) => Ok(()),
            (PaymentMethod::Toss { .. }, None) => Err(wrong("must name a checkout of yours")),
        }
    }

    /// What the vault is to be told when the attempt begins that this payment method is for.
    pub(crate) fn checkout_writes(
        method: &PaymentMethod,
        checkout: Option<&Checkout>,
    ) -> Result<Vec<VaultWrite>, ShopError> {
        match (method, checkout) {
            (PaymentMethod::Toss { checkout_id, payment_key }, Some(checkout)) => {
                let Checkout { rental, attempt, .. } = *checkout;
                let mut writes =
                    vec![sent_for(ChargeKey { payment: rental.payment(), attempt }, payment_key)];
                // Of a first attempt, the rental that is placed tells.
                if attempt != FIRST {
                    writes.push(checkout.mark_used(*checkout_id)?);
                }
                Ok(writes)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether a checkout can still be used.
    pub(crate) fn in_time(&self, checkout: &Checkout) -> Result<(), ShopError> {
        let expired = checkout.expires_at <= self.sources.now();
        if expired { Err(ShopError::CheckoutExpired) } else { Ok(()) }
    }
}

impl Checkout {
    /// Whether it is for placing a rental of this product.
    pub(crate) fn places(&self, product: ProductId) -> Result<(), ShopError> {
        if self.attempt != FIRST {
            Err(wrong("must be for a product, not for a rental that was placed already"))
        } else if self.product != product {
            Err(wrong("must be for the product that is ordered"))
        } else {
            Ok(())
        }
    }

    /// Whether it is for paying this rental later.
    pub(crate) fn pays(&self, rental: RentalId) -> Result<(), ShopError> {
        let pays = self.rental == rental && self.attempt != FIRST;
        if pays { Ok(()) } else { Err(wrong("must be for this rental, to be paid later")) }
    }
}

/// The attempt that placing makes.
const FIRST: Attempt = 1;

/// A rule of the checkout's own.
const fn wrong(rule: &'static str) -> ShopError {
    ShopError::PaymentMethod(InvalidMethod { field: "checkoutId", rule })
}
