//! Bounds are kept, and permits adapt to how gateway calls go.

use std::pin::pin;

use futures_util::FutureExt as _;

use super::*;

fn admission(concurrency: usize, queue: usize, slow_call_ms: Option<u64>) -> Arc<Admission> {
    Arc::new(Admission::new(AdmissionBounds { concurrency, queue, slow_call_ms }))
}

async fn permits(admission: &Arc<Admission>, count: usize) -> Vec<Permit> {
    let mut permits = Vec::new();
    for _ in 0..count {
        permits.push(admission.permit().await);
    }
    permits
}

#[tokio::test]
async fn payment_beyond_the_bounds_is_shed_at_once() {
    let admission = admission(1, 1, None);
    let (first, second) = (admission.enter(), admission.enter());
    assert!(first.is_some() && second.is_some() && admission.enter().is_none());
    assert_eq!(admission.shed_count(), 1);
    let permit = admission.permit().await;
    assert_eq!((admission.permits(), admission.queue()), ((1, 1), (1, 1)));
    drop((first, permit));
    assert!(admission.enter().is_some());
}

#[tokio::test]
async fn wait_is_estimated_from_queue_and_call_duration() {
    let admission = admission(2, 10, None);
    assert_eq!((admission.wait_ms(), admission.expected_ms()), (1_000, 0), "nothing is known yet");
    let tickets: Vec<_> = (0..9).map(|_| admission.enter()).collect();
    let permits = permits(&admission, 2).await;
    (0..200).for_each(|_| permits[0].called(800, false));
    assert_eq!((tickets.len(), admission.queue().0), (9, 7));
    assert_eq!(admission.wait_ms(), 8 * 800 / 2);
    assert_eq!(admission.expected_ms(), 800, "they do not vary");
}

#[tokio::test]
async fn permits_grow_with_quick_calls_and_shrink_with_failures() {
    let admission = admission(64, 100, Some(610));
    assert_eq!(admission.permits(), (0, 8));
    for _ in 0..8 {
        // The last free permit.
        let others = permits(&admission, 7).await;
        admission.permit().await.called(10, false);
        drop(others);
    }
    assert_eq!(admission.permits(), (0, 9), "all were needed, a whole round long");
    let mut first = permits(&admission, 9).await;
    first.iter().for_each(|permit| permit.called(900, true));
    assert_eq!(admission.permits(), (9, 6), "a whole round failed");
    let ninth = first.pop();
    let mut waiting = pin!(admission.permit());
    for (permit, left) in first.into_iter().zip([8, 7, 6, 5]) {
        assert!(waiting.as_mut().now_or_never().is_none(), "there are more than six in use");
        drop(permit);
        assert_eq!(admission.permits().0, left);
        if left < 6 {
            break;
        }
    }
    drop(ninth);
    assert!(waiting.now_or_never().is_some());
}

#[tokio::test]
async fn permits_always_add_up() {
    let admission = admission(16, 100, Some(100));
    for round in 0..200_u64 {
        let size = admission.permits().1;
        let used = permits(&admission, size).await;
        for (n, permit) in used.iter().enumerate() {
            permit.called(if (round + n as u64).is_multiple_of(7) { 200 } else { 1 }, round % 11 == 0);
        }
        drop(used);
        let (in_use, size) = admission.permits();
        assert_eq!((in_use, admission.slots.available_permits()), (0, size), "round {round}");
    }
}
