//! Customers who rent until the server is gone, and the answers they got.

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

/// Sends a POST; returns none if the server was killed before it answered.
async fn try_post(client: &Client, path: &str, key: &str, body: &Value) -> Option<Answer> {
    let request = client.request(Method::POST, path).header("idempotency-key", key).json(body);
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Some(Answer { status, headers, body: response.json().await.ok()? })
}

/// Cancellation of a rental, as its customer knows it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Cancel {
    #[default]
    No,
    /// Without an answer.
    Asked,
    Acknowledged,
}

/// A rental, as its customer knows it.
#[derive(Default)]
pub struct Known {
    pub token: &'static str,
    pub round: usize,
    /// The answer to its order.
    pub placed: Option<Value>,
    /// True if the answer came before the kill.
    pub at_once: bool,
    pub cancel: Cancel,
}

impl Known {
    pub fn id(&self) -> &str {
        id(self.placed.as_ref().expect("after catching up"))
    }

    pub fn confirmed(&self) -> bool {
        self.placed.as_ref().is_some_and(|placed| placed["status"] == "CONFIRMED")
    }
}

/// Rentals of one customer by idempotency key.
pub type Book = HashMap<String, Known>;

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
            let placed = try_post(&self.client, "/v1/rentals", &key, &order(&product, token)).await;
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
                let Some(answer) = try_post(&self.client, &cancel, &format!("c{key}"), &json!({})).await
                else {
                    break;
                };
                answer.expect(200);
                known.cancel = Cancel::Acknowledged;
            }
        }
        self
    }

    /// Repeats each order of this round with its key until it is settled. A confirmed one gets the same
    /// answer, another the same rental.
    pub async fn catch_up(&mut self, product: &str, round: usize) {
        let client = &self.client;
        for (key, known) in self.book.iter_mut().filter(|(_, known)| known.round == round) {
            let settled = || async {
                let answer = client.rent_keyed(product, known.token, key).await;
                matches!(answer.status, 201 | 202).then_some(answer.body)
            };
            let told = eventually("the order with this key is settled", settled).await;
            if known.confirmed() {
                assert_eq!(known.placed.as_ref(), Some(&told), "another answer for the same key");
            } else if known.at_once {
                assert_eq!(known.id(), id(&told), "another rental for the same key");
            }
            known.placed.get_or_insert(told);
        }
    }
}
