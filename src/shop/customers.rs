//! Customers: sign-up, log-in, sessions and changes.

use super::{
    Done, RequestContext, Result, Shop, ShopError,
    accounts::Accounts,
    views::{CustomerView, Principal, SessionView},
};
use crate::{
    actors::{
        entity::{
            ask::{AskError, Decided},
            reads,
        },
        people::Person,
        request::RequestKey,
    },
    domain::{
        CustomerId,
        account::{Account, AccountCommand, AccountError, AccountStatus},
        phone::Phone,
    },
};

/// Maximum number of successive customers with one phone number.
const GENERATIONS_MAX: u32 = 1_000;

impl Shop {
    /// Signs a customer up.
    ///
    /// # Errors
    /// `AskError::Rejected` with [`AccountError::PhoneTaken`] when the number has an account.
    pub async fn sign_up(
        &self,
        name: String,
        phone: Phone,
        password: String,
        request: RequestContext,
    ) -> Result<Done<CustomerView>> {
        let e164 = phone.as_e164().to_owned();
        let person = Person { name: name.clone(), phone: e164.clone(), password_hash: String::new() };
        let asked = self.asked_once::<Account>(request, async |key_guard| {
            // A taken number must not cost a password hash.
            let (id, account) = self.newest_account(&phone).await?;
            if account.status == AccountStatus::Active {
                return Err(AccountError::PhoneTaken.into());
            }
            let password_hash = self.accounts.hash(password).await?;
            let vault = vec![Accounts::person_write(id, &Person { password_hash, ..person })?];
            let receipt = key_guard.of_state();
            Ok(self.exchange.ask_once(id, AccountCommand::SignUp, request, vault, receipt).await?)
        });
        let Decided { entity, state, position, replayed, .. } = asked.await?;
        // A receipt holds no personal data; a repeat has the same name and number.
        let value =
            CustomerView { id: CustomerId(entity.id), name, phone: e164, created_at: state.created_at };
        Ok(Done { value, position, replayed })
    }

    /// Returns the account of a number: the first one whose customer has not left.
    async fn newest_account(&self, phone: &Phone) -> Result<(CustomerId, Account)> {
        for generation in 0..GENERATIONS_MAX {
            let id = self.accounts.customer_id(phone, generation);
            let account = reads::read::<Account>(&self.journal, id).await?;
            if account.status != AccountStatus::Left {
                return Ok((id, account));
            }
        }
        Err(ShopError::Internal("a number was left behind too often".to_owned()))
    }

    /// Returns a customer.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn customer(&self, id: CustomerId) -> Result<CustomerView> {
        let (person, account) = self.person(id).await?;
        let Person { name, phone, .. } = person;
        Ok(CustomerView { id, name, phone, created_at: account.created_at })
    }

    async fn person(&self, id: CustomerId) -> Result<(Person, Account)> {
        let person = self.accounts.person(id).await?.ok_or(ShopError::NotFound("customer"))?;
        Ok((person, reads::read::<Account>(&self.journal, id).await?))
    }

    /// Changes a customer's name or password, or both.
    ///
    /// # Errors
    /// [`ShopError::NotFound`]
    pub async fn change_customer(
        &self,
        id: CustomerId,
        name: Option<String>,
        password: Option<String>,
        request: RequestContext,
    ) -> Result<Done<CustomerView>> {
        let password_hash = match password {
            Some(password) => Some(self.accounts.hash(password).await?),
            None => None,
        };
        let _changing = self.accounts.changing.lock().await;
        let (mut person, account) = self.person(id).await?;
        person.name = name.unwrap_or(person.name);
        person.password_hash = password_hash.unwrap_or(person.password_hash);
        let vault = vec![Accounts::person_write(id, &person)?];
        let command = AccountCommand::Change;
        let decided = self.exchange.ask_once::<Account>(id, command, request, vault, None).await?;
        let Person { name, phone, .. } = person;
        let value = CustomerView { id, name, phone, created_at: account.created_at };
        Ok(Done { value, position: decided.position, replayed: false })
    }

    /// Opens a session for a customer. The same key gives the same token while the session lasts; the
    /// credentials are checked each time.
    ///
    /// # Errors
    /// [`ShopError::BadCredentials`], whichever of the two is wrong; [`ShopError::TooManyTries`] after
    /// several of these, for a while, even with the right ones.
    pub async fn log_in(
        &self,
        phone: Phone,
        password: String,
        key: Option<RequestKey>,
    ) -> Result<SessionView> {
        let (id, account) = self.newest_account(&phone).await?;
        self.accounts.begin_try(id)?;
        let person = match account.status {
            AccountStatus::Active => self.accounts.person(id).await?,
            AccountStatus::Absent | AccountStatus::Left => None,
        };
        if !self.accounts.verify(person.as_ref(), password).await? {
            return Err(ShopError::BadCredentials);
        }
        let _present = self.lock_customer(id).await.map_err(|error| match error {
            ShopError::Ask(AskError::Rejected(_)) => ShopError::BadCredentials,
            error => error,
        })?;
        self.accounts.try_succeeded(id);
        self.accounts.open_session(Principal::Customer(id), key).await
    }

    /// Opens a session for the operator. Failures are not counted: a key of 32 characters is not guessed,
    /// and a count would let anybody lock the operator out.
    ///
    /// # Errors
    /// [`ShopError::BadCredentials`]
    pub async fn log_in_operator(&self, operator_key: &str, key: Option<RequestKey>) -> Result<SessionView> {
        if !self.accounts.is_operator_key(operator_key) {
            return Err(ShopError::BadCredentials);
        }
        self.accounts.open_session(Principal::Operator, key).await
    }

    /// Returns the principal of a bearer token: a session's token, or the operator key itself.
    #[must_use]
    pub fn authenticate(&self, token: &str) -> Option<Principal> {
        self.accounts.authenticate(token)
    }

    /// Ends a session; does nothing if it is not open.
    ///
    /// # Errors
    /// [`ShopError::Commit`]
    pub async fn log_out(&self, token: &str) -> Result<()> {
        self.accounts.close_session(token).await
    }
}
