//! A disk that is really full: the server on a small file system of its own, which something else fills.
//!
//! The file system is a tmpfs in a mount namespace that ends with the test, so that nothing is left behind
//! and nobody has to be root. Where the kernel does not permit that, these tests check nothing, and say so
//! on stderr past the test harness, which would hide it: `SKIPPED`, and why.

mod full;
mod small;

/// Each test once for each durable backend, by the name that `store.backend` gives it.
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
    a_disk_that_fills_stops_commands_before_it_is_full_and_reads_never,
    a_disk_filled_at_one_stroke_between_two_commands_needs_room_alone,
    a_disk_filled_to_the_last_byte_needs_room_and_one_restart,
});
