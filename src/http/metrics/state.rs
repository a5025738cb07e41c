//! Metric families of the shop's current state.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use tokio::time::timeout;

use crate::{
    http::{App, problem::Problem},
    shop::{ActorKind, ContextView, Shop, ShopError},
    telemetry::metrics::HistogramSnapshot,
};

/// Time that actors have to report their state.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Families(Vec<MetricFamily>);

/// Label values and value of each sample.
type Samples<'a> = Vec<(Vec<&'a str>, f64)>;

fn labelled(names: &[&str], values: &[&str]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}

impl Families {
    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        if !family.get_metric().is_empty() {
            self.0.push(family);
        }
    }

    fn gauges(&mut self, name: &str, help: &str, labels: &[&str], samples: Samples<'_>) {
        let metric = |(values, value): (Vec<&str>, f64)| {
            let (mut metric, mut gauge) = (Metric::from_label(labelled(labels, &values)), Gauge::default());
            gauge.set_value(value);
            metric.set_gauge(gauge);
            metric
        };
        self.add(name, help, MetricType::GAUGE, samples.into_iter().map(metric).collect());
    }

    fn counters(&mut self, name: &str, help: &str, labels: &[&str], samples: Samples<'_>) {
        let metric = |(values, value): (Vec<&str>, f64)| {
            let (mut metric, mut counter) =
                (Metric::from_label(labelled(labels, &values)), Counter::default());
            counter.set_value(value);
            metric.set_counter(counter);
            metric
        };
        self.add(name, help, MetricType::COUNTER, samples.into_iter().map(metric).collect());
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, &[], vec![(Vec::new(), value)]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, &[], vec![(Vec::new(), value as f64)]);
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        samples: Vec<(Vec<&str>, HistogramSnapshot)>,
    ) {
        let metrics = samples.into_iter().map(|(values, observed)| {
            let mut metric = Metric::from_label(labelled(labels, &values));
            metric.set_histogram(histogram(&observed));
            metric
        });
        self.add(name, help, MetricType::HISTOGRAM, metrics.collect());
    }
}

fn histogram(observed: &HistogramSnapshot) -> Histogram {
    let HistogramSnapshot { bounds, counts, sum } = observed;
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

const fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// Collects all families.
pub(crate) async fn of(app: &App) -> Result<Vec<MetricFamily>, Problem> {
    let (mut families, shop) = (Families::default(), &*app.shop);
    let version = vec![(vec![env!("CARGO_PKG_VERSION")], 1.0)];
    families.gauges("saem_build_info", "Always 1, with the version as label", &["version"], version);
    let ready = shop.ready().is_ok() && !app.draining();
    families.gauge("saem_ready", "1 if the server accepts commands", flag(ready));
    families.gauge("saem_alive", "1 if all watched components make progress", flag(shop.alive().is_ok()));
    families.gauge("saem_mypage_streams", "Open streams of My Page", shop.watchers() as f64);
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
    families.gauge("saem_journal_events", "Events in the journal", shop.head().0 as f64);
    families.counter("saem_store_commits_total", "Commits made durable", store.commits);
    let each = |observed| vec![(Vec::new(), observed)];
    let help = "Commits per durable batch";
    families.histograms("saem_store_batch_commits", help, &[], each(store.batches));
    let help = "Time to make a batch durable: flush and fdatasync";
    families.histograms("saem_store_sync_seconds", help, &[], each(store.syncs));
    for (name, help, bytes) in [
        ("saem_store_bytes", "Size of the store on disk", store.bytes),
        ("saem_disk_free_bytes", "Free space of the store's disk", store.free_bytes),
    ] {
        if let Some(bytes) = bytes {
            families.gauge(name, help, bytes as f64);
        }
    }
    Ok(())
}

fn add_contexts(families: &mut Families, shop: &Shop) {
    let contexts = shop.contexts();
    let mut each = |name, help, value: &dyn Fn(&ContextView) -> f64| {
        let samples = contexts.iter().map(|context| (vec![context.context.as_str()], value(context)));
        families.gauges(name, help, &["context"], samples.collect());
    };
    each("saem_context_paused", "1 if the context is paused for maintenance", &|context| {
        flag(context.paused)
    });
    let help = "Events that the context has not processed";
    each("saem_context_backlog_events", help, &|context| context.backlog as f64);
    let help = "Targets parked after repeated failures";
    each("saem_context_held_targets", help, &|context| context.held as f64);
    let lags = shop.lags();
    let samples = lags.iter().map(|lag| (vec![lag.kind, lag.name], lag.events as f64)).collect();
    let help = "Events that a journal reader has not processed";
    families.gauges("saem_journal_lag_events", help, &["kind", "name"], samples);
}

fn add_actors(families: &mut Families, kinds: &[ActorKind]) {
    let samples = |value: &dyn Fn(&ActorKind) -> f64| {
        let labels = |kind: &ActorKind| (kind.kind.clone(), kind.name.clone());
        kinds.iter().map(|kind| (labels(kind), value(kind))).collect::<Vec<_>>()
    };
    let mut each = |name, help, counts, value: &dyn Fn(&ActorKind) -> f64| {
        let samples = samples(value);
        let borrowed = samples
            .iter()
            .map(|((kind, name), value)| (vec![kind.as_str(), name.as_deref().unwrap_or_default()], *value));
        let (labels, samples) = (["kind", "name"], borrowed.collect());
        if counts {
            families.counters(name, help, &labels, samples);
        } else {
            families.gauges(name, help, &labels, samples);
        }
    };
    each("saem_actors_live", "Actors in memory", false, &|kind| kind.status.live as f64);
    let help = "Quarantined actors, until they are revived";
    each("saem_actors_quarantined", help, false, &|kind| kind.status.quarantined as f64);
    let help = "Messages without an answer yet";
    each("saem_actor_mailbox_depth", help, false, &|kind| kind.mailbox_depth as f64);
    let help = "Restarts of failed actors";
    each("saem_actor_restarts_total", help, true, &|kind| kind.status.restarted as f64);
}

async fn add_payments(families: &mut Families, shop: &Shop) {
    let desk = shop.payment_actor().await;
    let state = desk.breaker.state.as_str();
    let states = ["CLOSED", "OPEN", "HALF_OPEN"].map(|name| (vec![name], flag(name == state)));
    families.gauges(
        "saem_payment_breaker",
        "1 for the current state of the circuit breaker",
        &["state"],
        states.into(),
    );
    for (name, help, value) in [
        ("saem_payment_breaker_openings_total", "Times that the breaker opened", desk.breaker.openings),
        (
            "saem_payment_breaker_not_permitted_total",
            "Calls refused by the breaker",
            desk.breaker.not_permitted,
        ),
        ("saem_payment_shed_total", "Requests refused by the payment actor because of overload", desk.shed),
    ] {
        families.counter(name, help, value);
    }
    for (name, help, value) in [
        ("saem_payment_permits", "Limit of concurrent gateway calls", desk.permits),
        ("saem_payment_permits_in_use", "Gateway calls in progress", desk.permits_in_use),
        ("saem_payment_queue_capacity", "Limit of requests waiting for a permit", desk.queue_capacity),
        ("saem_payment_queue_depth", "Requests waiting for a permit", desk.queue_depth),
    ] {
        families.gauge(name, help, value as f64);
    }
}

fn add_calls(families: &mut Families, shop: &Shop) {
    let calls = shop.gateway_figures();
    let ends = calls.iter().flat_map(|call| {
        let ended = |(outcome, count): &(&'static str, u64)| {
            (vec![call.provider, call.operation, *outcome], *count as f64)
        };
        call.outcomes.iter().map(ended)
    });
    let help = "Completed gateway calls, by outcome";
    let labels = ["provider", "operation", "outcome"];
    families.counters("saem_gateway_calls_total", help, &labels, ends.collect());
    let took = calls.iter().map(|call| (vec![call.provider, call.operation], call.took.clone())).collect();
    let help = "Duration of gateway calls";
    families.histograms("saem_gateway_call_seconds", help, &["provider", "operation"], took);
}

fn add_messages(families: &mut Families, shop: &Shop) {
    let messages = shop.message_figures();
    let outcomes = [("sent", &messages.sent), ("failed", &messages.failed), ("given_up", &messages.given_up)];
    let samples = outcomes.map(|(outcome, count)| (vec![outcome], count.get() as f64));
    let help = "Text messages: sent, failed attempts, given up";
    families.counters("saem_messages_total", help, &["outcome"], samples.into());
}
