//! `/v1/mypage/stream`: changes of a customer's rows as Server-Sent Events.
//!
//! The id of an event is the version of its row, a journal position: a client that reconnects with it, to any
//! process, first gets what it missed. A stream ends if its client reads too slowly or its session ends.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use actix_web::{
    http::{Method, header},
    web::Bytes,
};
use futures_util::stream;
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior},
};

use super::prelude::*;
use crate::{
    domain::{CustomerId, Position},
    http::{auth::Token, limits::Limits},
    shop::{Missed, Principal, RentalRow},
};

/// Delay before a browser reconnects, in ms.
const RETRY_MS: u64 = 2_000;
/// Approximate size of one write: a slow client is not sent more before it has read this.
const CHUNK_BYTES: usize = 8 * 1_024;
/// Header with the id of the last event that a browser received.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Streams every change of the customer's rows of My Page.
///
/// Server-Sent Events, for `EventSource`. A `row` event holds the row after that change, as `GET
/// /v1/mypage/{rentalId}` shows it; its id is the row's version. After a disconnect, send the last id as
/// `Last-Event-ID` (browsers do), and missed changes come first. A `reset` event means that too much was
/// missed, or that the id is of another store: read `GET /v1/mypage` again. To miss nothing between a read
/// and the first connection, send `lastEventId=0`, or the largest `version` that was read. Comments are
/// heartbeats. The stream ends when the server stops, the session ends or the client reads too slowly:
/// reconnect then.
#[utoipa::path(
    get, path = "/v1/mypage/stream", tag = "my page", operation_id = "watchMyPage",
    security(("bearer" = ["CUSTOMER"])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last received event"),
        ("lastEventId" = Option<String>, Query,
            description = "The same, for a first connection; the header has precedence"),
    ),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream",
        example = "id: 17\nevent: row\ndata: {\"rentalId\":\"rental_…\",\"version\":17}\n\n")),
)]
pub(crate) async fn my_page(
    app: Data<App>,
    limits: Data<Limits>,
    Customer(customer): Customer,
    Token(token): Token,
    request: HttpRequest,
    mut query: Query,
) -> ApiResult {
    let asked = query.get("lastEventId", "must be the id of an event", |id| Some(id.to_owned()));
    query.end()?;
    let mut headers = request.headers().get_all(LAST_EVENT_ID);
    let header = headers.next().map(|id| id.to_str().unwrap_or_default().to_owned());
    if headers.next().is_some() {
        return Err(Problem::invalid_field("/headers/Last-Event-ID", "must be given once"));
    }
    // An unknown id is treated like one that is too old: a browser could not react to an error.
    let after = header.or(asked).map(|id| Position(id.trim().parse().unwrap_or(u64::MAX)));
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((header::CACHE_CONTROL, "no-store"));
    // nginx would buffer events otherwise.
    response.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let watching = app.shop.watch_my_page(customer, after).await?;
    let (mut heartbeat, draining) = (tokio::time::interval(limits.heartbeat), app.drain());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    let changes = watching.changes;
    let first = opening(watching.position, watching.missed);
    let stream = RowStream { app, customer, token, first, changes, draining, heartbeat };
    Ok(response.streaming(stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), stream))
    })))
}

/// A stream in progress.
struct RowStream {
    app: Data<App>,
    customer: CustomerId,
    token: String,
    /// Sent before any new change.
    first: VecDeque<Bytes>,
    changes: mpsc::Receiver<Arc<RentalRow>>,
    draining: watch::Receiver<bool>,
    heartbeat: Interval,
}

impl RowStream {
    /// Returns the next chunk, or `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if *self.draining.borrow() {
            return None;
        }
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        let change = tokio::select! {
            biased;
            _ = self.draining.wait_for(|draining| *draining) => return None,
            change = self.changes.recv() => Some(change?),
            _ = self.heartbeat.tick() => None,
        };
        // After log-out or deletion of the account, nothing more is sent.
        if self.app.shop.authenticate(&self.token) != Some(Principal::Customer(self.customer)) {
            return None;
        }
        let Some(change) = change else { return Some(Bytes::from_static(b": still here\n\n")) };
        let mut chunk = event(&change);
        while chunk.len() < CHUNK_BYTES
            && let Ok(change) = self.changes.try_recv()
        {
            chunk.push_str(&event(&change));
        }
        Some(chunk.into())
    }
}

/// Returns the first chunks: the retry delay, missed changes, and the current position.
fn opening(position: Position, missed: Missed) -> VecDeque<Bytes> {
    let Position(here) = position;
    let retry = format!("retry: {RETRY_MS}\n");
    let mut first = VecDeque::new();
    match missed {
        Missed::TooMuch => first.push_back(format!("{retry}id: {here}\nevent: reset\ndata: {{}}\n\n").into()),
        Missed::Changes(changes) => {
            first.push_back(format!("{retry}\n").into());
            first.extend(changes.iter().map(|row| Bytes::from(event(row))));
            // Browsers remember an id without data, and dispatch no event.
            first.push_back(format!("id: {here}\n\n").into());
        }
    }
    first
}

/// Formats a row as an event.
fn event(row: &RentalRow) -> String {
    let data = serde_json::json!(resources::MyPageRow::from(row));
    format!("id: {}\nevent: row\ndata: {data}\n\n", row.version)
}
