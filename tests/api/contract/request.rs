//! A call of an operation, whose answer is checked against the document.

use serde_json::Value;

use super::{
    check,
    document::{CONTRACT, Operation},
};
use crate::kit::{Answer, Client};

/// A call that succeeds as it stands.
#[derive(Clone)]
pub struct Request {
    pub operation: &'static Operation,
    pub by: Client,
    pub path: Vec<(&'static str, String)>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
    /// Media type and bytes of a body that is not JSON.
    pub bytes: Option<(&'static str, &'static [u8])>,
}

impl Request {
    /// A call with the document's example as its body.
    pub fn of(id: &str, by: &Client) -> Self {
        let operation = CONTRACT.operation_named(id);
        let body = operation.body.as_ref().map(|_| operation.example.clone());
        Self {
            operation,
            by: by.clone(),
            path: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body,
            bytes: None,
        }
    }

    pub fn at(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.path.push((name, value.into()));
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub fn by(mut self, client: &Client) -> Self {
        self.by = client.clone();
        self
    }

    /// Sets the field at a pointer of the body.
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.set(pointer, Some(value.into()));
        self
    }

    /// Sets or removes the field at `pointer`.
    pub fn set(&mut self, pointer: &str, value: Option<Value>) {
        let body = self.body.as_mut().expect("the call has a body");
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer into the body");
        let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("it has a parent");
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
    }

    pub fn url(&self) -> String {
        let mut url = self.operation.path.clone();
        for (name, value) in &self.path {
            url = url.replace(&format!("{{{name}}}"), &encoded(value));
        }
        assert!(!url.contains('{'), "{url}: the case in cases.rs must fill every parameter of the path");
        let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        let query: Vec<_> = self.query.iter().map(pair).collect();
        if query.is_empty() { url } else { format!("{url}?{}", query.join("&")) }
    }

    /// Sends it, and checks the answer against the document.
    pub async fn send(&self) -> Answer {
        let mut request = self.by.request(self.operation.method.clone(), &self.url());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        if let Some((media_type, bytes)) = self.bytes {
            request = request.header("content-type", media_type).body(bytes);
        }
        self.checked(Answer::of(request).await)
    }

    /// Sends it with this body.
    pub async fn send_raw(&self, body: &'static str) -> Answer {
        let mut request = self.by.request(self.operation.method.clone(), &self.url());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json").body(body);
        self.checked(Answer::of(request).await)
    }

    /// Sends it, and expects success.
    pub async fn succeeds(&self) -> Answer {
        let answer = self.send().await;
        assert!(answer.status < 400, "{self}: {} {}", answer.status, answer.body);
        answer
    }

    fn checked(&self, answer: Answer) -> Answer {
        let wrong = check::violations(self.operation, &self.url(), &answer);
        assert!(wrong.is_empty(), "{self}: {} {}\n{}", answer.status, answer.body, wrong.join("\n"));
        answer
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, body) = (&self.operation.id, self.body.as_ref().map(Value::to_string));
        let body: String = body.unwrap_or_default().chars().take(400).collect();
        write!(f, "{id}: {} {} {:?} {body}", self.operation.method, self.url(), self.headers)
    }
}

/// Percent-encodes all but unreserved characters.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
