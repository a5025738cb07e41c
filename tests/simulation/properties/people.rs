//! Customers: accounts, sessions, and erasure of those who left.

use saem::{
    AccountError, AccountEvent, AskError, CustomerId, EntityKind, Event, Principal, Rejection, RentalId,
    ShopError, Timestamp,
};

use super::{
    asking::{Ask, Done, Reply},
    checks::History,
    commands::Command,
    expect::{Before, Expected, expect, refuses},
    model::NUMBERS,
    world::World,
};
use crate::{
    kit::contains,
    world::{NAME, PASSWORD, phone},
};

const OTHER_PASSWORD: &str = "another password";
/// Failed attempts to log in before a pause, the first pause and the longest, in ms.
const FREE_TRIES: u32 = 5;
const PAUSE_MS: u64 = 5_000;
const PAUSE_MAX_MS: u64 = 300_000;

/// The owners of one phone number.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// All owners, the newest last.
    pub ids: Vec<CustomerId>,
    /// True if the newest has not left.
    pub here: bool,
    /// One of these is the password.
    passwords: Vec<String>,
    names: Vec<String>,
    /// Tokens of open and of closed sessions.
    open: Vec<String>,
    closed: Vec<String>,
    /// Attempts to log in since one succeeded, and the time of the last.
    tries: u32,
    tried_at: Timestamp,
}

impl Person {
    pub fn here(id: CustomerId, name: String) -> Self {
        let (passwords, names) = (vec![PASSWORD.to_owned()], vec![name]);
        Self { ids: vec![id], here: true, passwords, names, ..Self::default() }
    }

    pub fn newest(&self) -> Option<CustomerId> {
        self.ids.last().copied()
    }
}

fn account(error: AccountError) -> ShopError {
    ShopError::Ask(AskError::Rejected(Rejection::Account(error)))
}

impl World {
    pub fn personal(&self, command: Command) -> Option<Ask> {
        let of = |number: usize| &self.people[number];
        Some(match command {
            Command::SignUp { customer: number } => Ask::SignUp { number, phone: phone(number) },
            Command::Leave { customer: number } => Ask::Leave { number, id: of(number).newest()? },
            Command::Rename { customer: number, password } => {
                let known = of(number).passwords.last().map_or(PASSWORD, |known| known);
                let other = if known == PASSWORD { OTHER_PASSWORD } else { PASSWORD };
                let name = format!("{NAME}{number}{}", of(number).names.len());
                let password = password.then(|| other.to_owned());
                Ask::Rename { number, id: of(number).newest()?, name, password }
            }
            Command::LogIn { customer: number, right, times } => {
                let known = of(number).passwords.last().map_or(PASSWORD, |known| known);
                let password = if right { known } else { "a wrong password" }.to_owned();
                Ask::LogIn { number, phone: phone(number), password, times }
            }
            Command::LogOut { customer: number } => {
                Ask::LogOut { number, token: of(number).open.last()?.clone() }
            }
            _ => return None,
        })
    }

    /// Checks the answer to a request of a person for themselves.
    pub fn expected_of_person(&self, ask: &Ask, before: &Before, answer: &Reply) -> Expected {
        match ask {
            Ask::SignUp { number, .. } if before.people[*number].here => {
                expect(refuses(answer, &account(AccountError::PhoneTaken)), "the number is taken")
            }
            Ask::SignUp { number, phone } => {
                let Ok(answered) = answer else { return Err("the number is free") };
                let Done::Customer { id, phone: shown, .. } = &answered.done else {
                    return Err("no customer");
                };
                let new = !before.people[*number].ids.contains(id);
                expect(new && shown == phone.as_e164(), "they are somebody new")
            }
            Ask::Leave { number, .. } if !before.people[*number].here => {
                expect(answer.is_ok(), "leaving is safe to repeat")
            }
            Ask::Leave { .. } => match answer {
                // That nothing was open is asserted after every step.
                Ok(_) => Ok(()),
                Err(ShopError::Ask(AskError::Rejected(Rejection::Account(AccountError::OpenRentals(n))))) => {
                    expect((1..=before.open_rentals).contains(n), "only open rentals keep somebody")
                }
                Err(_) => Err("nothing else keeps somebody"),
            },
            Ask::Rename { number, id, name, .. } => {
                if !before.people[*number].here {
                    return expect(refuses(answer, &ShopError::NotFound("customer")), "they have left");
                }
                let shown = phone(*number).as_e164().to_owned();
                let done = Done::Customer { id: *id, name: name.clone(), phone: shown };
                expect(answer.as_ref().is_ok_and(|answered| answered.done == done), "it is changed")
            }
            Ask::LogIn { number, password, times, .. } => {
                self.logging_in(&before.people[*number], password, *times, answer)
            }
            _ => expect(answer.is_ok(), "a logged-in customer can log out"),
        }
    }

    fn logging_in(&self, before: &Person, password: &str, times: u32, answer: &Reply) -> Expected {
        let tries = before.tries + times - 1;
        let since_ms = self.shop.now().ms_since(before.tried_at);
        if let Err(ShopError::TooManyTries { retry_after_ms }) = answer {
            let fair = tries >= FREE_TRIES && *retry_after_ms <= PAUSE_MAX_MS;
            return expect(fair, "so many tries are free");
        }
        let has_to_wait = tries >= FREE_TRIES && (times > 1 || since_ms < PAUSE_MS);
        expect(!has_to_wait, "too many tries have to wait, whatever the password")?;
        let may_be_right = before.here && before.passwords.iter().any(|known| known == password);
        match answer {
            Ok(_) => expect(may_be_right, "the password is wrong"),
            Err(ShopError::BadCredentials) => {
                expect(!may_be_right || before.passwords.len() > 1, "the password is right")
            }
            Err(_) => Err("nothing else keeps somebody out"),
        }
    }

    /// Records the answer of a person's request; none if there was none.
    pub fn remember_person(&mut self, ask: &Ask, answer: Option<&Reply>) {
        let now = self.shop.now();
        match ask {
            Ask::Rename { number, name, password, .. } => {
                let person = &mut self.people[*number];
                let done = matches!(answer, Some(Ok(_)));
                let refused = matches!(answer, Some(Err(ShopError::NotFound(_))));
                if done {
                    person.names.clear();
                }
                person.names.extend((!refused).then(|| name.clone()));
                if let Some(password) = password.clone().filter(|_| !refused) {
                    if done {
                        person.passwords.clear();
                    }
                    person.passwords.push(password);
                }
            }
            Ask::LogIn { number, times, .. } => {
                let person = &mut self.people[*number];
                match answer {
                    Some(Ok(answered)) => {
                        let Done::Token(token) = &answered.done else { unreachable!("a session's token") };
                        person.open.push(token.clone());
                        person.tries = 0;
                    }
                    Some(Err(ShopError::TooManyTries { .. })) if *times == 1 => {}
                    _ => {
                        // Attempts after the fifth may not have counted.
                        if person.tries < FREE_TRIES || *times == 1 {
                            person.tried_at = now;
                        }
                        person.tries = (person.tries + times).min(person.tries.max(FREE_TRIES));
                    }
                }
            }
            Ask::LogOut { number, token } => {
                let person = &mut self.people[*number];
                person.open.retain(|open| open != token);
                person.closed.extend(matches!(answer, Some(Ok(_))).then(|| token.clone()));
            }
            // Leaving closes sessions first.
            Ask::Leave { number, .. }
                if !matches!(answer, Some(Ok(_) | Err(ShopError::Ask(AskError::Rejected(_))))) =>
            {
                self.people[*number].open.clear();
            }
            _ => {}
        }
    }

    /// Attempts are counted in memory only.
    pub fn tries_are_forgotten(&mut self) {
        self.people.iter_mut().for_each(|person| person.tries = 0);
    }

    /// Records who signed up and who left.
    pub async fn notice_people(&mut self, history: &History) {
        for recorded in history {
            let Event::Account(event) = &recorded.event else { continue };
            let id = CustomerId(recorded.entity.id);
            assert_eq!(recorded.entity.kind, EntityKind::Account, "accounts are accounts");
            let known = self.people.iter().position(|person| person.ids.contains(&id));
            match (event, known) {
                (AccountEvent::CustomerSignedUp, None) => {
                    let number = self.number_of(id).await;
                    let person = &mut self.people[number];
                    person.ids.push(id);
                    person.here = true;
                    person.passwords = vec![PASSWORD.to_owned()];
                    person.names = vec![format!("{NAME}{number}")];
                }
                (AccountEvent::CustomerLeft, Some(number)) => {
                    let person = &mut self.people[number];
                    if person.newest() == Some(id) && person.here {
                        (person.here, person.tries) = (false, 0);
                        let open = std::mem::take(&mut person.open);
                        person.closed.extend(open);
                    }
                }
                _ => {}
            }
        }
    }

    /// Number of a new customer, by the vault.
    async fn number_of(&self, id: CustomerId) -> usize {
        let row =
            self.vault(&format!("person/{id}")).await.pop().expect("a signed-up customer is in the vault").1;
        let is_in = |number: &usize| contains(&row, phone(*number).as_e164());
        (0..NUMBERS).find(is_in).expect("a number of ours")
    }

    pub async fn vault(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        self.as_journal().vault_scan(prefix.to_owned()).await.unwrap()
    }

    /// Asserts that those who left are erased, that the others are shown, and that sessions are as expected.
    pub async fn people_are_as_they_should_be(&self, history: &History) {
        for (number, person) in self.people.iter().enumerate() {
            for token in &person.open {
                let who = person.newest().map(Principal::Customer);
                assert_eq!(self.shop.authenticate(token), who, "an open session of {number}");
            }
            for token in &person.closed {
                assert_eq!(self.shop.authenticate(token), None, "a closed session of {number}");
            }
            let gone = person.ids.len() - usize::from(person.here);
            for id in &person.ids[..gone] {
                let shown = self.shop.customer(*id).await;
                assert_eq!(shown.err(), Some(ShopError::NotFound("customer")), "{number} has left");
                for rental in rentals_of(*id, history) {
                    assert!(self.is_over(rental).await, "{number} left, and {rental} is not over");
                    assert_eq!(self.vault(&format!("address/{rental}")).await, [], "an address of {number}");
                }
            }
            if person.here {
                let id = person.newest().unwrap();
                let shown = self.shop.customer(id).await.unwrap();
                assert_eq!((shown.id, &*shown.phone), (id, phone(number).as_e164()));
                assert!(person.names.contains(&shown.name), "{shown:?}, but {:?}", person.names);
            } else if gone > 0 {
                let personal = [phone(number).as_e164().to_owned(), format!("{NAME}{number}")];
                for (key, value) in self.vault("").await {
                    let found = personal.iter().find(|text| contains(&value, text));
                    assert_eq!(found, None, "{number} has left, and is in {key}");
                }
            }
        }
    }
}

pub fn rentals_of(customer: CustomerId, history: &History) -> Vec<RentalId> {
    use saem::RentalEvent;
    let theirs = history.iter().filter_map(|recorded| match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) if terms.customer_id == customer => {
            Some(RentalId(recorded.entity.id))
        }
        _ => None,
    });
    theirs.collect()
}
