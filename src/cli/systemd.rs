//! Socket activation and notifications for systemd: sd_listen_fds(3), sd_notify(3). No-ops without systemd.

use std::{net::TcpListener, sync::Arc};

use listenfd::ListenFd;
use saem::Shop;
use sd_notify::NotifyState;
use tracing::{error, warn};

use super::Failure;

/// Returns the passed sockets in order. systemd keeps them open: clients that connect during a restart wait
/// for the next process.
pub(super) fn sockets() -> Result<Vec<TcpListener>, Failure> {
    let mut passed = ListenFd::from_env();
    let sockets = (0..passed.len()).map(|index| passed.take_tcp_listener(index));
    let sockets = sockets.collect::<Result<Vec<_>, _>>();
    let wrong = |error| format!("LISTEN_FDS: a passed socket cannot be used: {error}");
    Ok(sockets.map_err(wrong)?.into_iter().flatten().collect())
}

/// Sends keep-alives to systemd's watchdog while the shop is alive. If it is stuck, requests an immediate
/// restart.
pub(super) async fn feed_watchdog(shop: Arc<Shop>) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(within / 3);
    loop {
        ticks.tick().await;
        match shop.alive() {
            Ok(()) => notify(NotifyState::Watchdog),
            Err(stuck) => {
                error!(stuck, "the process is stuck: requesting a restart from systemd");
                notify(NotifyState::WatchdogTrigger);
            }
        }
    }
}

pub(super) fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "systemd cannot be notified");
    }
}
