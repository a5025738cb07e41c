//! An answer of the server, and assertions on it.

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The JSON body, or the body as text.
    pub body: Value,
}

impl Answer {
    /// Sends a request. Of a stream of events, which has no end, the body is its first chunk.
    pub async fn of(request: RequestBuilder) -> Self {
        let mut response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = if headers.get("content-type").is_some_and(|of_type| of_type == "text/event-stream") {
            let chunk = response.chunk().await.expect("the stream begins");
            String::from_utf8_lossy(&chunk.unwrap_or_default()).into_owned()
        } else {
            response.text().await.expect("the body is complete")
        };
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// Asserts the status, and returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Asserts a problem (RFC 9457) of this status and kind, and returns it.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Value {
        assert_eq!((self.status, self.body["type"].as_str()), (status, Some(&*format!("/problems/{slug}"))));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["correlationId"], self.header("x-correlation-id"));
        for member in ["title", "detail", "instance"] {
            assert!(self.body[member].is_string(), "{member}: {}", self.body);
        }
        if status == 503 || status == 429 {
            assert!(self.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1), "Retry-After");
        }
        self.body
    }

    /// Asserts a 400 that names exactly these fields, and returns the problem.
    #[track_caller]
    pub fn invalid(self, pointers: &[&str]) -> Value {
        let problem = self.problem(400, "invalid-request");
        let errors = problem["errors"].as_array().expect("errors are listed");
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{problem}");
        problem
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// True if the answer repeats the one to an earlier request with the same key.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }
}
