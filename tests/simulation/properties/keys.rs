//! Requests with an `Idempotency-Key`: their first answers, and those that a repetition may get.

use std::collections::{BTreeMap, BTreeSet};

use saem::{AskError, Causation, RequestContext, ShopError, internal::domain::invariants};

use super::{
    asking::{Ask, Asked, Done, Reply, ask},
    checks::History,
    expect::{Expected, expect, refuses},
    world::World,
};

/// State of one key.
#[derive(Default)]
pub struct Kept {
    effect: &'static str,
    /// All requests with this key.
    spans: Vec<u64>,
    /// The first acknowledged request, and its answer.
    first: Option<(Asked, Done)>,
    /// Bodies of requests without a known answer: they may have had an effect.
    perhaps: BTreeSet<[u8; 16]>,
}

/// All requests.
#[derive(Default)]
pub struct Keys {
    kept: BTreeMap<u128, Kept>,
    /// Refused and replayed ones.
    idle: Vec<u64>,
}

fn span(request: RequestContext) -> u64 {
    match request.causation {
        Causation::Request(span) => span,
        Causation::Event(_) | Causation::Schedule => unreachable!("caused by a request"),
    }
}

/// True if an error says that the request had no effect.
fn is_refusal(ask: &Ask, error: &ShopError) -> bool {
    match (ask, error) {
        // Before its charge it may have settled the last one.
        (Ask::Pay(..), _) => false,
        // The rental may have decided, with only its delivery in quarantine: a repetition completes it.
        (Ask::Complete(_), ShopError::Ask(AskError::Shed | AskError::Quarantined)) => false,
        (_, error) => had_no_effect(error),
    }
}

fn had_no_effect(error: &ShopError) -> bool {
    match error {
        ShopError::Ask(error) => {
            matches!(error, AskError::Rejected(_) | AskError::Shed | AskError::Quarantined)
        }
        ShopError::Store(_) | ShopError::Commit(_) | ShopError::Internal(_) => false,
        _ => true,
    }
}

impl Keys {
    /// The answers that a request may get because of its key; none if the key does not matter.
    pub fn expected(&self, asked: &Asked, answer: &Reply, crossed: bool) -> Option<Expected> {
        if crossed && refuses(answer, &ShopError::KeyInProgress) {
            return Some(Ok(()));
        }
        let replayed = answer.as_ref().is_ok_and(|answered| answered.replayed);
        let kept = asked.request.key.and_then(|key| Some((key, self.kept.get(&key.hash)?)));
        let Some((key, kept)) = kept else {
            return (!crossed)
                .then(|| expect(!replayed, "replayed without a first answer"))
                .filter(Result::is_err);
        };
        if let Some((first, done)) = &kept.first {
            if first.request.key != Some(key) {
                return Some(expect(
                    refuses(answer, &ShopError::KeyReused),
                    "INV-7: used for another request",
                ));
            }
            let same = answer.as_ref().is_ok_and(|answered| answered.replayed && answered.done == *done);
            return Some(expect(same, "INV-7: the same key gets the same answer"));
        }
        let mut others = kept.perhaps.iter().filter(|&&other| other != key.fingerprint);
        let reused = others.next().is_some() && refuses(answer, &ShopError::KeyReused);
        let under_way = !kept.perhaps.is_empty() && refuses(answer, &ShopError::KeyInProgress);
        let again = kept.perhaps.contains(&key.fingerprint) && replayed;
        // Its first attempt may have failed meanwhile.
        let over = matches!(asked.ask, Ask::Pay(..)) && !kept.perhaps.is_empty();
        (reused || under_way || again || over).then_some(Ok(()))
    }

    /// Records an answer; none if it will never be known.
    pub fn remember(&mut self, asked: &Asked, answer: Option<&Reply>) {
        let span = span(asked.request);
        let in_doubt = match answer {
            Some(Ok(answered)) => {
                self.idle.extend(answered.replayed.then_some(span));
                false
            }
            Some(Err(error)) if is_refusal(&asked.ask, error) => {
                self.idle.push(span);
                false
            }
            Some(Err(_)) | None => true,
        };
        let (Some(key), Some(effect)) = (asked.request.key, asked.ask.effect()) else { return };
        let kept = self.kept.entry(key.hash).or_default();
        kept.effect = effect;
        kept.spans.push(span);
        if in_doubt {
            kept.perhaps.insert(key.fingerprint);
        }
        if let Some(Ok(answered)) = answer {
            let (_, first) = kept.first.get_or_insert_with(|| (asked.clone(), answered.done.clone()));
            assert_eq!(*first, answered.done, "INV-7: the same key gets the same answer");
        }
    }

    /// Checks INV-7 and INV-8 for all requests so far.
    pub fn hold(&self, history: &History) -> invariants::Check {
        invariants::nothing_happened(history, &self.idle)?;
        for kept in self.kept.values() {
            invariants::happened_once(history, &kept.spans, kept.effect)?;
        }
        Ok(())
    }
}

impl World {
    /// Asserts INV-7: the same key gets the same answer.
    pub async fn keys_are_answered_alike(&self) {
        for Kept { first, .. } in self.keys.kept.values() {
            let Some((asked, done)) = first else { continue };
            let request = RequestContext { key: asked.request.key, ..self.shop.new_request() };
            let again = ask(self.shop.clone(), Asked { request, ..asked.clone() }).await;
            let same = again.as_ref().is_ok_and(|again| again.replayed && again.done == *done);
            assert!(same, "INV-7: {asked:?} was answered {done:?}, and then {again:?}");
        }
    }
}
