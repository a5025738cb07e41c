//! Supervision of the services that always run: reactors, projections, job runner, courier, sweepers.
//!
//! A service is one future on an arbiter. After a failure, its factory makes another, which begins at a
//! durable cursor. Unlike an entity, a service is never put in quarantine, since nothing else does its work:
//! one that fails too often waits longer before each restart.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::ArbiterHandle;
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use super::{
    guard::{guarded, injected_fault},
    restart::{FailureLog, RestartDecision, RestartLimits},
};
use crate::{actors::sources::Sources, store::FaultMode};

/// Pause before a restart of a service that fails too often.
const PAUSE_WHEN_FAILING: Duration = Duration::from_secs(5);

/// Kind and name of a service, such as `reactor` and `product`.
pub(crate) type ServiceName = (&'static str, &'static str);

pub(crate) struct Services {
    sources: Sources,
    limits: RestartLimits,
    stopping: watch::Sender<bool>,
    services: Mutex<BTreeMap<ServiceName, Arc<ServiceState>>>,
}

#[derive(Debug)]
struct ServiceState {
    live: AtomicBool,
    restarts: AtomicU64,
    sabotage: mpsc::UnboundedSender<FaultMode>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceStatus {
    pub live: bool,
    pub restarts: u64,
}

impl Services {
    pub(crate) fn new(sources: Sources, limits: RestartLimits) -> Self {
        Self { sources, limits, stopping: watch::Sender::new(false), services: Mutex::default() }
    }

    /// Starts a service on `arbiter`. `make` makes its future, now and after each failure. A future that
    /// returns `Ok` is not restarted.
    pub(crate) fn start<Make, Work>(&self, arbiter: &ArbiterHandle, name: ServiceName, make: Make)
    where
        Make: Fn() -> Work + Send + 'static,
        Work: Future<Output = Result<(), String>> + 'static,
    {
        let (sabotage, faults) = mpsc::unbounded_channel();
        let state =
            Arc::new(ServiceState { live: AtomicBool::new(true), restarts: AtomicU64::new(0), sabotage });
        self.services.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&state));
        let (sources, limits, stopping) = (self.sources.clone(), self.limits, self.stopping.subscribe());
        arbiter.spawn_fn(move || {
            actix_rt::spawn(supervise(Supervised { name, state, sources, limits, stopping }, faults, make));
        });
    }

    /// Makes a service fail, for tests; returns whether it exists.
    pub(crate) fn sabotage(&self, kind: &str, name: &str, mode: FaultMode) -> bool {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let state = services.iter().find(|((k, n), _)| *k == kind && *n == name);
        state.is_some_and(|(_, state)| state.sabotage.send(mode).is_ok())
    }

    pub(crate) fn census(&self) -> Vec<(ServiceName, ServiceStatus)> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |state: &ServiceState| ServiceStatus {
            live: state.live.load(Ordering::Relaxed),
            restarts: state.restarts.load(Ordering::Relaxed),
        };
        services.iter().map(|(name, state)| (*name, status(state))).collect()
    }

    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

struct Supervised {
    name: ServiceName,
    state: Arc<ServiceState>,
    sources: Sources,
    limits: RestartLimits,
    stopping: watch::Receiver<bool>,
}

async fn supervise<Make, Work>(
    mut service: Supervised,
    mut faults: mpsc::UnboundedReceiver<FaultMode>,
    make: Make,
) where
    Make: Fn() -> Work,
    Work: Future<Output = Result<(), String>>,
{
    let (kind, name) = service.name;
    let mut failures = FailureLog::default();
    loop {
        let work = guarded(with_faults(make(), &mut faults));
        let ended = tokio::select! {
            biased;
            _ = service.stopping.wait_for(|stopping| *stopping) => break,
            ended = work => ended,
        };
        let reason = match ended {
            Ok(Ok(())) => break,
            Ok(Err(reason)) | Err(reason) => reason,
        };
        service.state.live.store(false, Ordering::Relaxed);
        warn!(kind, name, reason, "an actor failed");
        let pause = match failures.failed(service.sources.now(), reason, service.limits) {
            RestartDecision::RestartAfter(pause_ms) => Duration::from_millis(pause_ms),
            RestartDecision::Quarantine => {
                error!(kind, name, "an actor fails again and again; it is tried every few seconds");
                PAUSE_WHEN_FAILING
            }
        };
        tokio::select! {
            biased;
            _ = service.stopping.wait_for(|stopping| *stopping) => break,
            () = tokio::time::sleep(pause) => {}
        }
        service.state.restarts.fetch_add(1, Ordering::Relaxed);
        service.state.live.store(true, Ordering::Relaxed);
    }
    service.state.live.store(false, Ordering::Relaxed);
}

async fn with_faults(
    work: impl Future<Output = Result<(), String>>,
    faults: &mut mpsc::UnboundedReceiver<FaultMode>,
) -> Result<(), String> {
    tokio::select! {
        biased;
        Some(mode) = faults.recv() => Err(injected_fault(mode).await),
        ended = work => ended,
    }
}
