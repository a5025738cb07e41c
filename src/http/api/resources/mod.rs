//! Resources in responses: their JSON, and their OpenAPI schemas.

mod checkout;
mod customer;
mod delivery;
mod event;
mod notification;
mod operations;
mod payment;
mod prelude;
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
        Actor, ActorKind, Backup, ChangedTarget, ContextState, FaultTarget, Health, InjectedFault,
        LedgerEntry, ParkedTarget, PaymentActorState,
    },
    payment::Payment,
    product::Product,
    rental::{Address, MyPageRow, Rental},
};
use crate::shop::Page;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    /// Items, newest first unless the operation says otherwise.
    pub items: Vec<T>,
    /// `cursor` of the next page; `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn of<'a, V: 'a>(page: &'a Page<V>) -> Self
    where
        T: From<&'a V>,
    {
        Self { items: page.items.iter().map(T::from).collect(), next_cursor: page.next_cursor.clone() }
    }
}

/// A complete list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Items<T> {
    /// All items.
    pub items: Vec<T>,
}
