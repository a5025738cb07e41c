//! What customers do until the server is gone, and what they were told: the record on the client's side.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, eventually, id, order};

impl Client {
    /// The answer, if the server lives long enough to give it.
    pub async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, body: response.json().await.ok()? })
    }
}

/// How far canceling got, as its customer knows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Cancel {
    #[default]
    No,
    /// There was no answer.
    Asked,
    Acknowledged,
}

/// What one customer knows of one rental.
#[derive(Default)]
pub struct Known {
    pub token: &'static str,
    pub round: usize,
    /// The answer to placing it, once there was one.
    pub placed: Option<Value>,
    /// Whether that answer came before the server was killed.
    pub at_once: bool,
    pub cancel: Cancel,
}

impl Known {
    pub fn id(&self) -> &str {
        id(self.placed.as_ref().expect("whoever asks has caught up"))
    }

    pub fn confirmed(&self) -> bool {
        self.placed.as_ref().is_some_and(|placed| placed["status"] == "CONFIRMED")
    }
}

/// One customer's book: by idempotency key.
pub type Book = HashMap<String, Known>;

/// Somebody who rents, with the book.
pub struct Customer {
    pub client: Client,
    pub book: Book,
}

impl Customer {
    /// Rents, and cancels every third rental, until the server is gone.
    pub async fn shop(mut self, product: String, round: usize, acknowledged: Arc<AtomicUsize>) -> Self {
        for n in 0.. {
            let token = ["tok_ok", "tok_ok", "tok_ok", "tok_lost_response"][n % 4];
            let key = format!("{round}-{n}");
            let known = self.book.entry(key.clone()).or_insert(Known { token, round, ..Known::default() });
            let placed = self.client.try_post("/v1/rentals", &key, &order(&product, token)).await;
            let Some(answer) = placed else { break };
            if !matches!(answer.status, 201 | 202) {
                assert_eq!(answer.status, 503, "{}", answer.body);
                continue;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
            let cancel = format!("/v1/rentals/{}/cancel", id(&answer.body));
            (known.placed, known.at_once) = (Some(answer.body), true);
            if n % 3 == 0 {
                known.cancel = Cancel::Asked;
                let Some(answer) = self.client.try_post(&cancel, &format!("c{key}"), &json!({})).await else {
                    break;
                };
                answer.expect(200);
                known.cancel = Cancel::Acknowledged;
            }
        }
        self
    }

    /// Asks again, under the same key, for whatever got no answer: now there is one. And once more for all
    /// that was confirmed in this round: the answer is the one it was.
    pub async fn catch_up(&mut self, product: &str, round: usize) {
        let client = &self.client;
        for (key, known) in self.book.iter_mut().filter(|(_, known)| known.round == round) {
            let settled = || async {
                let answer = client.try_post("/v1/rentals", key, &order(product, known.token)).await.unwrap();
                matches!(answer.status, 201 | 202).then_some(answer.body)
            };
            let told = eventually("the request under that key is settled", settled).await;
            if known.confirmed() {
                assert_eq!(known.placed.as_ref(), Some(&told), "the same key, another answer");
            } else if known.at_once {
                assert_eq!(known.id(), id(&told), "the same key, another rental");
            }
            known.placed.get_or_insert(told);
        }
    }
}
