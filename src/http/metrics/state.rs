//! Metric families of the shop's current state.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use tokio::time::timeout;

use crate::{
    http::{App, problem::Problem},
    shop::{ActorKind, ContextView, Shop, ShopError},
    telemetry::metrics::HistogramSnapshot,
};

const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

const GAUGE: MetricType = MetricType::GAUGE;
const COUNTER: MetricType = MetricType::COUNTER;

/// Label values and value of each sample.
type Samples<'a, T = f64> = Vec<(Vec<&'a str>, T)>;

#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    fn values(&mut self, name: &str, help: &str, kind: MetricType, labels: &[&str], samples: Samples<'_>) {
        let metric = |(values, value): (Vec<&str>, f64)| {
            let mut metric = Metric::from_label(labelled(labels, &values));
            if kind == COUNTER {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            metric
        };
        self.add(name, help, kind, samples.into_iter().map(metric).collect());
    }

    fn value(&mut self, name: &str, help: &str, kind: MetricType, value: f64) {
        self.values(name, help, kind, &[], vec![(Vec::new(), value)]);
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        samples: Samples<'_, HistogramSnapshot>,
    ) {
        let metric = |(values, snapshot): (Vec<&str>, HistogramSnapshot)| {
            let mut metric = Metric::from_label(labelled(labels, &values));
            metric.set_histogram(histogram(&snapshot));
            metric
        };
        self.add(name, help, MetricType::HISTOGRAM, samples.into_iter().map(metric).collect());
    }
}

fn labelled(names: &[&str], values: &[&str]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}

fn histogram(snapshot: &HistogramSnapshot) -> Histogram {
    let HistogramSnapshot { bounds, counts, sum } = snapshot;
    let cumulated = counts.iter().scan(0, |total, count| {
        *total += count;
        Some(*total)
    });
    let buckets = bounds.iter().zip(cumulated).map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(*sum);
    histogram
}

pub(crate) async fn of(app: &App) -> Result<Vec<MetricFamily>, Problem> {
    let (mut families, shop) = (Families::default(), &*app.shop);
    let version = vec![(vec![env!("CARGO_PKG_VERSION")], 1.0)];
    let help = "Always 1, with the version as label";
    families.values("saem_build_info", help, GAUGE, &["version"], version);
    let ready = shop.ready().is_ok() && !app.draining();
    families.value("saem_ready", "1 if the server accepts commands", GAUGE, f64::from(ready));
    let help = "1 if all watched components make progress";
    families.value("saem_alive", help, GAUGE, f64::from(shop.alive().is_ok()));
    families.value("saem_mypage_streams", "Open streams of My Page", GAUGE, shop.watchers() as f64);
    add_store(&mut families, shop).await?;
    add_contexts(&mut families, shop);
    // Actors that hang do not answer; `saem_alive` reports them.
    if let Ok(Ok(tree)) = timeout(REPORT_TIMEOUT, shop.actors()).await {
        add_actors(&mut families, &tree.items);
    }
    add_payments(&mut families, shop).await;
    add_calls(&mut families, shop);
    add_messages(&mut families, shop);
    Ok(families.0)
}

async fn add_store(families: &mut Families, shop: &Shop) -> Result<(), Problem> {
    let store = shop.store_figures().await.map_err(ShopError::from)?;
    families.value("saem_journal_events", "Events in the journal", GAUGE, shop.head().0 as f64);
    families.value("saem_store_commits_total", "Commits made durable", COUNTER, store.commits as f64);
    let help = "Commits per durable batch";
    families.histograms("saem_store_batch_commits", help, &[], vec![(Vec::new(), store.batches)]);
    let help = "Time to make a batch durable: flush and fdatasync";
    families.histograms("saem_store_sync_seconds", help, &[], vec![(Vec::new(), store.syncs)]);
    for (name, help, bytes) in [
        ("saem_store_bytes", "Size of the store on disk", store.bytes),
        ("saem_disk_free_bytes", "Free space of the store's disk", store.free_bytes),
    ] {
        if let Some(bytes) = bytes {
            families.value(name, help, GAUGE, bytes as f64);
        }
    }
    Ok(())
}

fn add_contexts(families: &mut Families, shop: &Shop) {
    let contexts = shop.contexts();
    let mut each = |name, help, value: &dyn Fn(&ContextView) -> f64| {
        let samples = contexts.iter().map(|context| (vec![context.context.as_str()], value(context)));
        families.values(name, help, GAUGE, &["context"], samples.collect());
    };
    each("saem_context_paused", "1 if the context is paused for maintenance", &|of| f64::from(of.paused));
    each("saem_context_backlog_events", "Events that the context has not processed", &|of| of.backlog as f64);
    each("saem_context_held_targets", "Targets parked after repeated failures", &|of| of.parked as f64);
    let lags = shop.lags();
    let samples = lags.iter().map(|lag| (vec![lag.kind, lag.name], lag.events as f64)).collect();
    let help = "Events that a journal reader has not processed";
    families.values("saem_journal_lag_events", help, GAUGE, &["kind", "name"], samples);
}

fn add_actors(families: &mut Families, kinds: &[ActorKind]) {
    let mut each = |name, help, kind, value: &dyn Fn(&ActorKind) -> f64| {
        let samples = kinds.iter().map(|actor| {
            let name = actor.name.as_deref().unwrap_or_default();
            (vec![actor.kind.as_str(), name], value(actor))
        });
        families.values(name, help, kind, &["kind", "name"], samples.collect());
    };
    each("saem_actors_live", "Actors in memory", GAUGE, &|of| of.status.live as f64);
    let help = "Quarantined actors, until they are revived";
    each("saem_actors_quarantined", help, GAUGE, &|of| of.status.quarantined as f64);
    each("saem_actor_mailbox_depth", "Messages without an answer yet", GAUGE, &|of| of.mailbox_depth as f64);
    each("saem_actor_restarts_total", "Restarts of failed actors", COUNTER, &|of| of.status.restarted as f64);
}

async fn add_payments(families: &mut Families, shop: &Shop) {
    let actor = shop.payment_actor().await;
    let state = actor.breaker.state.as_str();
    let states = ["CLOSED", "OPEN", "HALF_OPEN"].map(|name| (vec![name], f64::from(name == state)));
    let help = "1 for the current state of the circuit breaker";
    families.values("saem_payment_breaker", help, GAUGE, &["state"], states.into());
    for (name, help, count) in [
        ("breaker_openings", "Times that the breaker opened", actor.breaker.openings),
        ("breaker_not_permitted", "Calls refused by the breaker", actor.breaker.not_permitted),
        ("shed", "Requests refused by the payment actor because of overload", actor.shed),
    ] {
        families.value(&format!("saem_payment_{name}_total"), help, COUNTER, count as f64);
    }
    for (name, help, count) in [
        ("permits", "Limit of concurrent gateway calls", actor.permits),
        ("permits_in_use", "Gateway calls in progress", actor.permits_in_use),
        ("queue_capacity", "Limit of requests waiting for a permit", actor.queue_capacity),
        ("queue_depth", "Requests waiting for a permit", actor.queue_depth),
    ] {
        families.value(&format!("saem_payment_{name}"), help, GAUGE, count as f64);
    }
}

fn add_calls(families: &mut Families, shop: &Shop) {
    let calls = shop.gateway_figures();
    let ends = calls.iter().flat_map(|call| {
        let end = |(outcome, count): &(&'static str, u64)| {
            (vec![call.provider, call.operation, *outcome], *count as f64)
        };
        call.outcomes.iter().map(end)
    });
    let (help, labels) = ("Completed gateway calls, by outcome", ["provider", "operation", "outcome"]);
    families.values("saem_gateway_calls_total", help, COUNTER, &labels, ends.collect());
    let took = calls.iter().map(|call| (vec![call.provider, call.operation], call.took.clone())).collect();
    let help = "Duration of gateway calls";
    families.histograms("saem_gateway_call_seconds", help, &labels[..2], took);
}

fn add_messages(families: &mut Families, shop: &Shop) {
    let messages = shop.message_figures();
    let outcomes = [("sent", &messages.sent), ("failed", &messages.failed), ("given_up", &messages.given_up)];
    let samples = outcomes.map(|(outcome, count)| (vec![outcome], count.get() as f64));
    let help = "Text messages: sent, failed attempts, given up";
    families.values("saem_messages_total", help, COUNTER, &["outcome"], samples.into());
}
