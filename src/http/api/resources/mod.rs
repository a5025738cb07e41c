//! What goes out: every resource with the contract's names, as JSON and in the OpenAPI document.

mod checkout;
mod customer;
mod delivery;
mod event;
mod notification;
mod operations;
mod payment;
mod product;
mod rental;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    checkout::Checkout,
    customer::{Customer, OpenedSession},
    delivery::Delivery,
    event::TimelineEvent,
    notification::Notification,
    operations::{
        Actor, ActorKind, Backup, ContextState, FaultTarget, Faulted, Health, HeldTarget, LedgerEntry,
        PaymentDesk, Touched,
    },
    payment::Payment,
    product::Product,
    rental::{Address, MyPageRow, Rental},
};
use crate::shop::Page;

/// A part of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    /// Newest first, unless the call says otherwise.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next part; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A part of a list, each item shown as `T`.
    pub(crate) fn of<'a, V: 'a>(page: &'a Page<V>) -> Self
    where
        T: From<&'a V>,
    {
        Self { items: page.items.iter().map(T::from).collect(), next_cursor: page.next_cursor.clone() }
    }
}

/// A whole list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Items<T> {
    /// All of it.
    pub items: Vec<T>,
}
