//! Customer account: from sign-up to leaving.
//!
//! ```text
//!           sign up           leave
//!   ABSENT ────────▶ ACTIVE ────────▶ LEFT
//! ```
//!
//! A customer's id derives from a keyed hash of the phone number, so creating the entity *is* the check
//! that a number signs up once. A number whose customer has left gets another id when it signs up again.
//! Name, phone and password are in the vault; events hold no personal data.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{aggregate::Aggregate, id::EntityKind, time::Timestamp};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccountStatus {
    #[default]
    Absent,
    Active,
    /// The customer left, and the personal data is erased. Final.
    Left,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub status: AccountStatus,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    SignUp,
    /// The customer changed name or password.
    Change,
    Leave {
        /// Evidence: number of the customer's unfinished rentals.
        open_rentals: u32,
    },
}

/// An event of an account. Part of the format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    CustomerSignedUp,
    /// The customer changed name or password.
    CustomerChanged,
    CustomerLeft,
}

impl AccountEvent {
    /// Returns the event's type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CustomerSignedUp => "CustomerSignedUp",
            Self::CustomerChanged => "CustomerChanged",
            Self::CustomerLeft => "CustomerLeft",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    #[error("the customer does not exist")]
    NotFound,
    #[error("this phone number has an account already")]
    PhoneTaken,
    #[error("the customer has left")]
    Left,
    #[error("{0} rentals are not finished")]
    OpenRentals(u32),
}

impl Aggregate for Account {
    const KIND: EntityKind = EntityKind::Account;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Error = AccountError;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountError> {
        use AccountCommand as C;
        use AccountStatus as S;
        match (self.status, command) {
            (S::Absent, C::SignUp) => Ok(vec![AccountEvent::CustomerSignedUp]),
            (S::Active, C::SignUp) => Err(AccountError::PhoneTaken),
            (S::Absent, C::Change | C::Leave { .. }) => Err(AccountError::NotFound),
            (S::Active, C::Change) => Ok(vec![AccountEvent::CustomerChanged]),
            (S::Active, C::Leave { open_rentals: 0 }) => Ok(vec![AccountEvent::CustomerLeft]),
            (S::Active, C::Leave { open_rentals }) => Err(AccountError::OpenRentals(open_rentals)),
            (S::Left, C::Leave { .. }) => Ok(Vec::new()),
            (S::Left, C::SignUp | C::Change) => Err(AccountError::Left),
        }
    }

    fn evolve(mut self, event: &AccountEvent, at: Timestamp) -> Self {
        match event {
            AccountEvent::CustomerSignedUp => {
                self.status = AccountStatus::Active;
                self.created_at = at;
            }
            AccountEvent::CustomerChanged => {}
            AccountEvent::CustomerLeft => self.status = AccountStatus::Left,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::domain::invariants::check_step;

    #[test]
    fn every_state_answers_every_command() {
        use AccountCommand as C;
        use AccountStatus as S;
        let leave = C::Leave { open_rentals: 0 };
        let busy = C::Leave { open_rentals: 2 };
        for (status, command, expected) in [
            (S::Absent, C::SignUp, Ok(vec![AccountEvent::CustomerSignedUp])),
            (S::Absent, C::Change, Err(AccountError::NotFound)),
            (S::Absent, leave, Err(AccountError::NotFound)),
            (S::Absent, busy, Err(AccountError::NotFound)),
            (S::Active, C::SignUp, Err(AccountError::PhoneTaken)),
            (S::Active, C::Change, Ok(vec![AccountEvent::CustomerChanged])),
            (S::Active, leave, Ok(vec![AccountEvent::CustomerLeft])),
            (S::Active, busy, Err(AccountError::OpenRentals(2))),
            (S::Left, C::SignUp, Err(AccountError::Left)),
            (S::Left, C::Change, Err(AccountError::Left)),
            (S::Left, leave, Ok(vec![])),
            (S::Left, busy, Ok(vec![])),
        ] {
            let account = Account { status, ..Account::default() };
            assert_eq!(account.decide(command), expected, "{status:?} {command:?}");
        }
    }

    #[test]
    fn leaving_is_final() {
        let at = Timestamp(1);
        let left = Account::default()
            .evolve(&AccountEvent::CustomerSignedUp, at)
            .evolve(&AccountEvent::CustomerLeft, at);
        assert_eq!((left.status, left.created_at), (AccountStatus::Left, at));
    }

    fn any_command() -> impl Strategy<Value = AccountCommand> {
        let leave = (0u32..3).prop_map(|open_rentals| AccountCommand::Leave { open_rentals });
        prop_oneof![Just(AccountCommand::SignUp), Just(AccountCommand::Change), leave]
    }

    proptest! {
        /// INV-14; and a customer with unfinished rentals cannot leave.
        #[test]
        fn only_declared_transitions_happen(path in vec(any_command(), 0..16)) {
            let mut account = Account::default();
            for command in path {
                for event in account.decide(command).unwrap_or_default() {
                    let before = account.clone();
                    account = account.evolve(&event, Timestamp(1));
                    prop_assert_eq!(check_step(&before, &event.into(), &account), Ok(()));
                    let leaves = event == AccountEvent::CustomerLeft;
                    prop_assert_eq!(leaves, command == AccountCommand::Leave { open_rentals: 0 });
                }
            }
        }
    }
}
