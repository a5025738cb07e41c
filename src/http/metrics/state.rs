//! The shop as it is now, as families of metrics.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use tokio::time::timeout;

use crate::{
    http::{App, problem::Problem},
    shop::{ActorKind, ContextView, Shop, ShopError},
    telemetry::metrics::HistogramSnapshot,
};

/// How long actors may take to tell of themselves.
const PATIENCE: Duration = Duration::from_secs(1);

/// Families, as they are added.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

/// Labels and a value for each sample.
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

const fn yes(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Everything there is to tell.
pub(crate) async fn of(app: &App) -> Result<Vec<MetricFamily>, Problem> {
    let (mut families, shop) = (Families::default(), &*app.shop);
    let version = vec![(vec![env!("CARGO_PKG_VERSION")], 1.0)];
    families.gauges("saem_build_info", "1, with the version that runs", &["version"], version);
    let ready = shop.ready().is_ok() && !app.draining();
    families.gauge("saem_ready", "Whether the server takes commands", yes(ready));
    families.gauge("saem_alive", "Whether the process gets on", yes(shop.alive().is_ok()));
    families.gauge("saem_mypage_streams", "Streams of My Page that are open", shop.watchers() as f64);
    add_store(&mut families, shop).await?;
    add_contexts(&mut families, shop);
    // Actors that hang do not tell of themselves; that they do is said above all the same.
    if let Ok(Ok(tree)) = timeout(PATIENCE, shop.actors()).await {
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
    let help = "Commits that were made durable together";
    families.histograms("saem_store_batch_commits", help, &[], each(store.batches));
    let help = "How long making a batch durable took: flush and fdatasync";
    families.histograms("saem_store_sync_seconds", help, &[], each(store.syncs));
    for (name, help, bytes) in [
        ("saem_store_bytes", "What the store has on disk", store.bytes),
        ("saem_disk_free_bytes", "What the store's disk has left", store.free_bytes),
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
    each("saem_context_paused", "Whether a context is under maintenance", &|context| yes(context.paused));
    let help = "Events a context has not got to";
    each("saem_context_backlog_events", help, &|context| context.backlog as f64);
    let help = "Targets held after reactions that kept failing";
    each("saem_context_held_targets", help, &|context| context.held as f64);
    let lags = shop.lags();
    let samples = lags.iter().map(|lag| (vec![lag.kind, lag.name], lag.events as f64)).collect();
    let help = "Events that a reader of the journal has not got to";
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
    let help = "Actors left alone until revived";
    each("saem_actors_quarantined", help, false, &|kind| kind.status.quarantined as f64);
    let help = "Messages not answered yet";
    each("saem_actor_mailbox_depth", help, false, &|kind| kind.mailbox_depth as f64);
    let help = "Restarts of failed actors";
    each("saem_actor_restarts_total", help, true, &|kind| kind.status.restarted as f64);
}

async fn add_payments(families: &mut Families, shop: &Shop) {
    let desk = shop.payment_actor().await;
    let state = desk.breaker.state.as_str();
    let states = ["CLOSED", "OPEN", "HALF_OPEN"].map(|name| (vec![name], yes(name == state)));
    families.gauges("saem_payment_breaker", "1 for the breaker's state", &["state"], states.into());
    for (name, help, value) in [
        ("saem_payment_breaker_openings_total", "How often the breaker has opened", desk.breaker.openings),
        (
            "saem_payment_breaker_not_permitted_total",
            "Calls that the breaker has refused",
            desk.breaker.not_permitted,
        ),
        ("saem_payment_shed_total", "Requests turned away by the payment actor", desk.shed),
    ] {
        families.counter(name, help, value);
    }
    for (name, help, value) in [
        ("saem_payment_permits", "Calls at the gateway there may be at once", desk.permits),
        ("saem_payment_permits_in_use", "Calls at the gateway", desk.permits_in_use),
        ("saem_payment_queue_capacity", "Requests that may wait for a permit", desk.queue_capacity),
        ("saem_payment_queue_depth", "Requests that wait for a permit", desk.queue_depth),
    ] {
        families.gauge(name, help, value as f64);
    }
}

/// Calls of the payment gateways.
fn add_calls(families: &mut Families, shop: &Shop) {
    let calls = shop.gateway_figures();
    let ends = calls.iter().flat_map(|call| {
        let ended = |(outcome, count): &(&'static str, u64)| {
            (vec![call.provider, call.operation, *outcome], *count as f64)
        };
        call.outcomes.iter().map(ended)
    });
    let help = "Calls of payment gateways, and how they ended";
    let labels = ["provider", "operation", "outcome"];
    families.counters("saem_gateway_calls_total", help, &labels, ends.collect());
    let took = calls.iter().map(|call| (vec![call.provider, call.operation], call.took.clone())).collect();
    let help = "How long calls of payment gateways took";
    families.histograms("saem_gateway_call_seconds", help, &["provider", "operation"], took);
}

fn add_messages(families: &mut Families, shop: &Shop) {
    let messages = shop.message_figures();
    let outcomes = [("sent", &messages.sent), ("failed", &messages.failed), ("given_up", &messages.given_up)];
    let samples = outcomes.map(|(outcome, count)| (vec![outcome], count.get() as f64));
    let help = "Text messages handed to the SMS gateway, and tries that failed";
    families.counters("saem_messages_total", help, &["outcome"], samples.into());
}
