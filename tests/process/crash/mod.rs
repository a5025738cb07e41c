//! A real process, killed by SIGKILL again and again: in the middle of its work, and while it starts. After
//! each round, what the customers were told is compared with what the server says and with the payment
//! gateway's own ledger: nothing that was acknowledged is lost, nobody pays twice, and every saga ends. Now
//! and then `saem verify` looks at what a kill leaves.
//!
//! | module | holds |
//! | --- | --- |
//! | [`book`] | what customers do, and what they were told |
//! | [`checks`] | what must be so, after each round and at the end of a data directory |
//! | [`rounds`] | who is killed when |
//!
//! `CRASH_ROUNDS` says how many rounds there are, `SEED` which moments are chosen. `scripts/drill crash` runs
//! the same with a release build, and thousands of rounds. A violation leaves the data directory where it is.

mod book;
mod checks;
mod rounds;

/// One test for each durable backend, by the name that `store.backend` gives it.
macro_rules! killed_again_and_again {
    ($($backend:ident),* $(,)?) => {
        $(mod $backend {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn kill_nine_loses_nothing_and_charges_nobody_twice() {
                crate::crash::rounds::all(stringify!($backend)).await;
            }
        })*
    };
}

killed_again_and_again!(sled, redb);
