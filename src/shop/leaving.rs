//! Leaving: a customer's personal data is erased, and what has happened stays.
//!
//! Order matters. While nobody can rent, pay or log in for this customer, and once nothing of theirs is
//! under way: first sessions and addresses, a part at a time, then the person with the very commit that
//! records the leaving. A crash in between leaves an account that can be left again.

use std::time::Duration;

use super::{Done, PageRequest, RentalFilter, RequestContext, Shop, ShopError};
use crate::{
    actors::{
        customer_locks::CustomerLock,
        entity::{ask::AskError, reads},
        people::{address_key, person_key},
    },
    domain::{
        CustomerId, RentalId,
        account::{Account, AccountCommand, AccountError, AccountStatus},
        payment::{Payment, PaymentPhase},
        rental::{Rental, RentalStatus},
    },
    store::VaultWrite,
};

/// Number of records erased in one write.
const ERASE_MAX: usize = 256;
/// Number of rentals listed in one read.
const LIST_MAX: usize = 100;

impl Shop {
    /// A customer leaves: name, number, password, sessions and the addresses of their rentals are erased.
    /// Safe to repeat.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`AccountError::OpenRentals`] while rentals are not finished or their
    /// money is not settled, or [`AccountError::NotFound`]; [`AskError::Timeout`] while something else of
    /// theirs is going on. Then some addresses may be erased, and leaving can be repeated.
    pub async fn leave(&self, customer: CustomerId, request: RequestContext) -> Result<Done<()>, ShopError> {
        let patience = Duration::from_millis(self.settings.ask_timeout_ms);
        let too_long = |_| AskError::Timeout;
        let leaving = tokio::time::timeout(patience, self.customer_locks.exclusive(customer));
        let _leaving = leaving.await.map_err(too_long)?;
        // What was sent by somebody who did not wait for it counts, too.
        self.journal.vault_write(Vec::new()).await?;
        let head = self.head();
        tokio::time::timeout(patience, self.progress.mypage.at(head)).await.map_err(too_long)?;
        let rentals = self.rentals_of(customer).await?;
        let mut open_rentals = 0;
        for rental in &rentals {
            open_rentals += u32::from(!self.is_over(*rental).await?);
        }
        let leave = AccountCommand::Leave { open_rentals };
        if open_rentals == 0 {
            self.erase(customer, &rentals).await?;
        }
        let person = vec![VaultWrite { key: person_key(customer), value: None }];
        let left = self.exchange.ask_with::<Account>(customer, leave, request, person).await?;
        self.accounts.forget(customer);
        Ok(Done { value: (), position: left.position, replayed: false })
    }

    /// All rentals of a customer, as of My Page.
    async fn rentals_of(&self, customer: CustomerId) -> Result<Vec<RentalId>, ShopError> {
        let filter = RentalFilter { customer_id: Some(customer), ..RentalFilter::default() };
        let mut page = PageRequest { cursor: None, limit: LIST_MAX };
        let mut rentals = Vec::new();
        loop {
            let rows = self.rows(filter, &page).await?;
            rentals.extend(rows.items.into_iter().map(|row| row.rental_id));
            match rows.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(rentals),
            }
        }
    }

    /// Returns true if a rental is finished and its money is settled.
    async fn is_over(&self, id: RentalId) -> Result<bool, ShopError> {
        let rental = reads::read::<Rental>(&self.journal, id).await?;
        let payment = reads::read::<Payment>(&self.journal, id.payment()).await?;
        let settled = match rental.status {
            RentalStatus::Placed | RentalStatus::PaymentDeferred | RentalStatus::Confirmed => false,
            RentalStatus::Canceled => {
                matches!(payment.phase, PaymentPhase::Declined | PaymentPhase::Canceled)
            }
            RentalStatus::Delivered | RentalStatus::Absent => true,
        };
        Ok(settled && payment.strays.is_empty())
    }

    async fn erase(&self, customer: CustomerId, rentals: &[RentalId]) -> Result<(), ShopError> {
        let mut writes = self.accounts.sessions_of(customer);
        writes.extend(rentals.iter().map(|rental| VaultWrite { key: address_key(*rental), value: None }));
        for some in writes.chunks(ERASE_MAX) {
            self.journal.vault_write(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Keeps a customer from leaving, for as long as the answer is held.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`AccountError::Left`]
    pub(crate) async fn lock_customer(&self, customer: CustomerId) -> Result<CustomerLock, ShopError> {
        let lock = self.customer_locks.shared(customer).await;
        // An unknown customer is not refused here: authentication has done that.
        let account = reads::read::<Account>(&self.journal, customer).await?;
        if account.status == AccountStatus::Left { Err(AccountError::Left.into()) } else { Ok(lock) }
    }
}
