//! Microbenchmarks of the parts of a command: deciding and evolving, the codec, a durable commit.
//!
//! `cargo bench --bench parts`; criterion compares with the previous run. Disk figures vary from run to run:
//! `benches/http/` shows them beside the raw speed of the disk.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use saem::{
    Backend, Causation, Commit, CommitId, Correlation, CustomerId, Fence, Meta, Money, NewEvent, Offer,
    Position, ProductId, Rental, RentalId, Terms, Timestamp, Version,
    internal::{
        domain::{Aggregate, Product, ProductCommand, RentalCommand},
        store::{StoreOptions, codec},
    },
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn place() -> RentalCommand {
    let terms = Terms {
        customer_id: CustomerId(1),
        product_id: ProductId(2),
        product_name: "맑은샘 정수기".to_owned(),
        fee: Money::won(29_900),
        provider: "simulator".to_owned(),
        fingerprint: None,
        correlation: Correlation(3),
    };
    RentalCommand::Place { terms: Box::new(terms), deferral: None }
}

/// Decides a command and folds its events. Returns the new state and the events.
fn apply<A: Aggregate>(state: A, command: A::Command) -> (A, Vec<A::Event>) {
    let events = state.decide(command).unwrap_or_else(|_| panic!("the command is fine"));
    let state = events.iter().fold(state, |state, event| state.evolve(event, NOW));
    (state, events)
}

fn product() -> Product {
    let offer = Offer {
        name: "맑은샘 정수기".to_owned(),
        model: "MS-100".to_owned(),
        description: "냉온수".to_owned(),
        fee: Money::won(29_900),
    };
    apply(Product::default(), ProductCommand::Register { offer, stock: 1_000_000 }).0
}

/// Takes a unit for a rental.
fn take(product: Product, position: u64) -> Product {
    let fence = Fence { lane: (position % 64) as u8, position: Position(position) };
    apply(product, ProductCommand::Decrease { rental_id: RentalId(position.into()), fence }).0
}

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide and evolve");
    group.bench_function("a rental is placed and confirmed", |bench| {
        let placed = || apply(apply(Rental::default(), place()).0, RentalCommand::Confirm);
        bench.iter(|| black_box(placed()));
    });
    group.bench_function("a product gives a unit", |bench| {
        let (mut stocked, mut position) = (Some(product()), 0);
        bench.iter(|| {
            position += 1;
            stocked = stocked.take().map(|product| take(product, position));
            // A new product after a million units, so that the stock never runs out.
            if position % 1_000_000 == 0 {
                stocked = Some(product());
            }
        });
    });
    group.finish();
}

fn coding(criterion: &mut Criterion) {
    let rental = apply(Rental::default(), place()).0;
    let busy = (1..=64).fold(product(), take);
    let mut group = criterion.benchmark_group("codec");
    let encoded = codec::encode_snapshot(&rental).expect("it can be encoded");
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group
        .bench_function("encode a rental", |bench| bench.iter(|| codec::encode_snapshot(black_box(&rental))));
    group.bench_function("decode a rental", |bench| {
        bench.iter(|| codec::decode_snapshot::<Rental>(black_box(&encoded)));
    });
    let encoded = codec::encode_snapshot(&busy).expect("it can be encoded");
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group.bench_function("encode a product", |bench| bench.iter(|| codec::encode_snapshot(black_box(&busy))));
    group.bench_function("decode a product", |bench| {
        bench.iter(|| codec::decode_snapshot::<Product>(black_box(&encoded)));
    });
    group.finish();
}

/// The first commit of a new rental.
fn commit(number: u128) -> Commit {
    let (rental, events) = apply(Rental::default(), place());
    let meta = Meta { at: NOW, correlation: Correlation(number), causation: Causation::Schedule };
    Commit {
        entity: RentalId(number).into(),
        expected: Version::default(),
        commit_id: CommitId(number),
        events: events.into_iter().map(|event| NewEvent { meta, event: event.into() }).collect(),
        snapshot: codec::encode_snapshot(&rental).expect("it can be encoded").into(),
        vault: Vec::new(),
    }
}

fn committing(criterion: &mut Criterion) {
    Backend::ALL.into_iter().for_each(|backend| committing_to(criterion, backend));
}

fn committing_to(criterion: &mut Criterion, backend: Backend) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let options = StoreOptions { cache_bytes: 64 << 20, min_free_bytes: 0 };
    let journal = backend.open(directory.path(), options).expect("it can be opened");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let mut numbers = 1..;
    let mut group = criterion.benchmark_group(format!("durable commit, {backend}"));
    for at_once in [1, 64] {
        let mut commits = || numbers.by_ref().take(at_once).map(commit).collect::<Vec<_>>();
        group.throughput(Throughput::Elements(at_once as u64));
        group.bench_function(format!("{at_once} at once"), |bench| {
            bench.iter_batched(
                &mut commits,
                |commits| {
                    let committed = join_all(commits.into_iter().map(|commit| journal.commit(commit)));
                    assert!(runtime.block_on(committed).iter().all(Result::is_ok), "the disk takes it");
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    runtime.block_on(journal.close());
}

criterion_group!(parts, deciding, coding, committing);
criterion_main!(parts);
