//! A server that is killed by SIGKILL in each round: at work, and while it starts. After each round the
//! answers that customers got are compared with the server and with the payment gateway's ledger: no
//! acknowledged rental is lost, no fee is captured twice, and every saga ends. In some rounds `saem verify`
//! checks the data.
//!
//! | module | contents |
//! | --- | --- |
//! | [`book`] | requests of customers, and the answers they got |
//! | [`checks`] | invariants after each round, and at the end of a data directory |
//! | [`rounds`] | the rounds and their kills |
//!
//! `CRASH_ROUNDS` is the number of rounds, `SEED` chooses the moments of kills. `scripts/drill crash` runs
//! thousands of rounds with a release build. After a violation the data directory is kept.

mod book;
mod checks;
mod rounds;

/// One test for each durable backend, by its name in `store.backend`.
macro_rules! on_each_backend {
    ($($backend:ident),* $(,)?) => {
        $(mod $backend {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn killed_server_loses_nothing_and_captures_once() {
                crate::crash::rounds::all(stringify!($backend)).await;
            }
        })*
    };
}

on_each_backend!(sled, redb);
