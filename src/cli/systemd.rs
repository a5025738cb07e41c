//! What systemd passes to a service, and what it is told: sd_listen_fds(3), sd_notify(3). Without systemd,
//! all of this is nothing.

use std::{net::TcpListener, sync::Arc};

use listenfd::ListenFd;
use saem::shop::Shop;
use sd_notify::NotifyState;
use tracing::{error, warn};

use super::Failure;

/// The sockets that were passed, in their order. They stay open when this process ends: who connects
/// meanwhile waits for the next one.
pub(super) fn sockets() -> Result<Vec<TcpListener>, Failure> {
    let mut passed = ListenFd::from_env();
    let sockets = (0..passed.len()).map(|index| passed.take_tcp_listener(index));
    let sockets = sockets.collect::<Result<Vec<_>, _>>();
    let wrong = |error| format!("LISTEN_FDS: a socket that was passed cannot be used: {error}");
    Ok(sockets.map_err(wrong)?.into_iter().flatten().collect())
}

/// The service serves.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// The service stops.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells systemd's watchdog that the process is alive, for as long as it is. When it is not, it is replaced
/// at once.
pub(super) async fn feed_watchdog(shop: Arc<Shop>) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(within / 3);
    loop {
        ticks.tick().await;
        match shop.alive() {
            Ok(()) => tell(NotifyState::Watchdog),
            Err(stuck) => {
                error!(stuck, "not alive: systemd is asked to replace the process");
                tell(NotifyState::WatchdogTrigger);
            }
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "systemd cannot be told");
    }
}
