//! A full disk: the server on its own small file system, which another file fills.
//!
//! The file system is a tmpfs in a mount namespace that ends with the test, so that no root is needed and
//! nothing is left behind. Where the kernel does not permit that, the tests check nothing, and print
//! `SKIPPED` and the reason to stderr.

mod full;
mod small;

/// Makes each test once for each durable backend, by its name in `store.backend`.
macro_rules! on_a_full_disk {
    ([$($backend:ident),* $(,)?] $tests:tt) => {
        $(on_a_full_disk!(@ $backend, $tests);)*
    };
    (@ $backend:ident, { $($test:ident,)* }) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::disk::full::$test(stringify!($backend)).await;
                }
            )*
        }
    };
}

on_a_full_disk!([sled, redb] {
    a_filling_disk_stops_commands_but_no_reads,
    a_disk_filled_at_once_needs_free_space_only,
    a_completely_full_disk_needs_free_space_and_a_restart,
});
