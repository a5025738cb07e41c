//! The life of a customer's account: signed up, changed, and left.
//!
//! ```text
//!           sign up           leave
//!   ABSENT ────────▶ ACTIVE ────────▶ LEFT
//! ```
//!
//! A customer's id derives from a keyed hash of the phone number, so creating the entity *is* the
//! check that a number signs up once. Name, phone and password live in the vault; events only say
//! that something happened. A number that was left behind and signs up anew gets another id.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{aggregate::Aggregate, id::EntityKind, time::Timestamp};

/// Where an account is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccountStatus {
    /// Nobody signed up.
    #[default]
    Absent,
    /// In use.
    Active,
    /// Left; personal data erased. Final.
    Left,
}

/// What can be asked of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountCommand {
    /// Open it.
    SignUp,
    /// Name or password changed.
    Change,
    /// Close it.
    Leave {
        /// Evidence: rentals of this customer that are not finished.
        open_rentals: u32,
    },
}

/// What can happen to an account. Part of the format: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// A customer signed up.
    CustomerSignedUp,
    /// Name or password changed.
    CustomerChanged,
    /// The customer left.
    CustomerLeft,
}

impl AccountEvent {
    /// The event's type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CustomerSignedUp => "CustomerSignedUp",
            Self::CustomerChanged => "CustomerChanged",
            Self::CustomerLeft => "CustomerLeft",
        }
    }
}

/// Why an account refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    /// There is no such account.
    #[error("the customer does not exist")]
    NotFound,
    /// The phone number has an account.
    #[error("this phone number has an account already")]
    PhoneTaken,
    /// The customer who had this account has left.
    #[error("the customer has left")]
    Left,
    /// Rentals are under way.
    #[error("{0} rentals are not finished")]
    OpenRentals(u32),
}

/// A customer's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Where it is in its life.
    pub status: AccountStatus,
    /// When it was opened.
    pub created_at: Timestamp,
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

    /// The arrows of the picture above; a change stays where it is.
    fn declared(from: AccountStatus) -> &'static [AccountStatus] {
        use AccountStatus as S;
        match from {
            S::Absent => &[S::Active],
            S::Active => &[S::Active, S::Left],
            S::Left => &[],
        }
    }

    fn any_command() -> impl Strategy<Value = AccountCommand> {
        let leave = (0u32..3).prop_map(|open_rentals| AccountCommand::Leave { open_rentals });
        prop_oneof![Just(AccountCommand::SignUp), Just(AccountCommand::Change), leave]
    }

    proptest! {
        /// INV-14, and that nobody leaves with rentals under way.
        #[test]
        fn accounts_move_only_along_declared_transitions(path in vec(any_command(), 0..16)) {
            let mut account = Account::default();
            for command in path {
                for event in account.decide(command).unwrap_or_default() {
                    let from = account.status;
                    account = account.evolve(&event, Timestamp(1));
                    prop_assert!(declared(from).contains(&account.status), "{from:?} {command:?}");
                    let leaves = event == AccountEvent::CustomerLeft;
                    prop_assert_eq!(leaves, command == AccountCommand::Leave { open_rentals: 0 });
                }
            }
        }
    }
}
