//! Lock-out: delays log-ins to an account after failed ones, against password guessing.
//!
//! Pure: the caller passes the time. A try counts when it begins, so that parallel tries do not escape it; a
//! successful one clears the account. Bounded: the accounts that failed longest ago are evicted first.

use std::collections::HashMap;

use crate::domain::{CustomerId, Timestamp};

const FREE_TRIES: u32 = 5;
/// Wait before the next try, in ms; doubles with each further one.
const WAIT_MS: u64 = 5_000;
/// Longest wait, in ms: an attacker also locks the owner out for this time.
const WAIT_MAX_MS: u64 = 5 * 60_000;
/// Time without a try, in ms, after which an account starts anew.
const FORGET_MS: u64 = 60 * 60_000;
/// Maximum number of accounts that are tracked.
const ACCOUNTS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Lockout {
    accounts: HashMap<CustomerId, Tries>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Timestamp,
    not_before: Timestamp,
}

impl Lockout {
    /// Counts the beginning of a try, or returns the remaining wait, in ms.
    pub(crate) fn begin(&mut self, account: CustomerId, now: Timestamp) -> Result<(), u64> {
        let earlier = self.accounts.get(&account).filter(|tries| now.ms_since(tries.last) < FORGET_MS);
        if let Some(tries) = earlier.filter(|tries| now < tries.not_before) {
            return Err(tries.not_before.ms_since(now));
        }
        let count = earlier.map_or(0, |tries| tries.count).saturating_add(1);
        let wait_ms = match count.checked_sub(FREE_TRIES) {
            Some(further) => (WAIT_MS << further.min(16)).min(WAIT_MAX_MS),
            None => 0,
        };
        self.make_room(now);
        self.accounts.insert(account, Tries { count, last: now, not_before: now.plus_ms(wait_ms) });
        Ok(())
    }

    pub(crate) fn succeeded(&mut self, account: CustomerId) {
        self.accounts.remove(&account);
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.accounts.len() < ACCOUNTS_MAX {
            return;
        }
        self.accounts.retain(|_, tries| now.ms_since(tries.last) < FORGET_MS);
        let mut times: Vec<Timestamp> = self.accounts.values().map(|tries| tries.last).collect();
        if times.len() >= ACCOUNTS_MAX {
            // Evict a tenth at once, so that eviction is rare.
            let (_, newest_to_go, _) = times.select_nth_unstable(ACCOUNTS_MAX / 10);
            self.accounts.retain(|_, tries| tries.last > *newest_to_go);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: CustomerId = CustomerId(1);

    fn tried(lockout: &mut Lockout, times: u32, at_ms: i64) {
        for _ in 0..times {
            lockout.begin(WHO, Timestamp(at_ms)).unwrap();
        }
    }

    #[test]
    fn sixth_try_waits_and_each_further_one_twice_as_long() {
        let mut lockout = Lockout::default();
        tried(&mut lockout, 5, 0);
        assert_eq!(lockout.begin(WHO, Timestamp(1)), Err(4_999));
        assert_eq!(lockout.begin(WHO, Timestamp(5_000)), Ok(()));
        assert_eq!(lockout.begin(WHO, Timestamp(5_000)), Err(10_000));
        assert_eq!(lockout.begin(CustomerId(2), Timestamp(5_000)), Ok(()), "others need not");
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let mut lockout = Lockout::default();
        let mut now = Timestamp(0);
        for _ in 0..100 {
            while let Err(wait_ms) = lockout.begin(WHO, now) {
                assert!(wait_ms <= WAIT_MAX_MS);
                now = now.plus_ms(wait_ms);
            }
        }
    }

    #[test]
    fn success_and_time_clear_an_account() {
        let mut lockout = Lockout::default();
        tried(&mut lockout, 4, 0);
        lockout.succeeded(WHO);
        tried(&mut lockout, 5, 1);
        assert!(lockout.begin(WHO, Timestamp(2)).is_err());
        tried(&mut lockout, 5, 1 + FORGET_MS.cast_signed());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_kept() {
        let mut lockout = Lockout::default();
        for n in 0..2 * ACCOUNTS_MAX {
            lockout.begin(CustomerId(n as u128), Timestamp(n as i64)).unwrap();
        }
        assert!(lockout.accounts.len() <= ACCOUNTS_MAX);
        assert!(lockout.accounts.contains_key(&CustomerId(2 * ACCOUNTS_MAX as u128 - 1)));
    }
}
