//! Leaving: erases a customer's personal data; the journal keeps what happened.
//!
//! The order is fixed. The exclusive customer lock keeps out rentals, payments and log-ins. Sessions and
//! addresses are erased first, a page at a time; name, phone number and password with the commit that records
//! the leaving. After a crash in between, leaving can be repeated.

use std::time::Duration;

use super::{Done, RequestContext, Result, Shop};
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

const ERASE_MAX: usize = 256;

impl Shop {
    /// Closes a customer's account: erases name, phone number, password, sessions and the addresses of all
    /// rentals. Safe to repeat.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`AccountError::OpenRentals`] while a rental is not finished or its payment
    /// is not settled, or with [`AccountError::NotFound`]; [`AskError::Timeout`] while another request of the
    /// customer runs. After an error, some addresses may be erased.
    pub async fn leave(&self, customer: CustomerId, request: RequestContext) -> Result<Done<()>> {
        let patience = Duration::from_millis(self.settings.ask_timeout_ms);
        let too_long = |_| AskError::Timeout;
        let leaving = tokio::time::timeout(patience, self.customer_locks.exclusive(customer));
        let _leaving = leaving.await.map_err(too_long)?;
        // Commands whose callers went away may still be queued: wait until the store has handled them.
        self.journal.vault_write(Vec::new()).await?;
        let head = self.head();
        tokio::time::timeout(patience, self.progress.mypage.at(head)).await.map_err(too_long)?;
        let rows = self.newest_rows(customer, usize::MAX).await?;
        let rentals: Vec<RentalId> = rows.into_iter().map(|row| row.rental_id).collect();
        let mut open_rentals = 0;
        for rental in &rentals {
            open_rentals += u32::from(!self.is_over(*rental).await?);
        }
        let leave = AccountCommand::Leave { open_rentals };
        if open_rentals == 0 {
            self.erase(customer, &rentals).await?;
        }
        let person = vec![VaultWrite { key: person_key(customer), value: None }];
        let left = self.exchange.ask_once::<Account>(customer, leave, request, person, None).await?;
        self.accounts.forget(customer);
        Ok(Done { value: (), position: left.position, replayed: false })
    }

    async fn is_over(&self, id: RentalId) -> Result<bool> {
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

    async fn erase(&self, customer: CustomerId, rentals: &[RentalId]) -> Result<()> {
        let mut writes = self.accounts.sessions_of(customer);
        writes.extend(rentals.iter().map(|rental| VaultWrite { key: address_key(*rental), value: None }));
        for some in writes.chunks(ERASE_MAX) {
            self.journal.vault_write(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Takes a shared customer lock. Fails with [`AccountError::Left`] if the account is closed.
    pub(crate) async fn lock_customer(&self, customer: CustomerId) -> Result<CustomerLock> {
        let lock = self.customer_locks.shared(customer).await;
        // An unknown customer passes: authentication has checked that.
        let account = reads::read::<Account>(&self.journal, customer).await?;
        if account.status == AccountStatus::Left { Err(AccountError::Left.into()) } else { Ok(lock) }
    }
}
