//! `/v1/mypage/stream`: every change of a customer's rows, as Server-Sent Events.
//!
//! An event's id is the version of its row, which is a position of the journal: whoever comes back with it,
//! be it to another process, is told what they missed. A stream is told nothing while its client reads
//! nothing; one that does not keep up is ended, and so is one whose session is over.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Bytes},
};
use futures_util::stream;
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior},
};

use crate::{
    domain::{CustomerId, Position},
    http::{
        App,
        api::{extract::Query, resources},
        auth::{Customer, Token},
        limits::Limits,
        problem::Problem,
    },
    shop::{Missed, Principal, RentalRow},
};

/// After how long, in ms, a browser comes back when a stream has ended.
const RETRY_MS: u64 = 2_000;
/// How many bytes are told in one piece, about: a client that reads slowly is not sent more before.
const PIECE_BYTES: usize = 8 * 1_024;
/// The header in which a browser says what it heard last.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Tells every change of a row of My Page.
///
/// Server-Sent Events, for `EventSource`. A `row` event holds the row as of that change, as
/// `GET /v1/mypage/{rentalId}` shows it; its id is the row's version. After a break, send the last id as
/// `Last-Event-ID` (browsers do), and what was missed is told first. `reset` says that this was too much, or
/// that the id is of another store: read `GET /v1/mypage` again. To miss nothing between a read and the first
/// connection, send `lastEventId=0`, or the largest `version` of what was read. Comments say that the stream
/// lives. It ends when the server stops, the session is over, or the client does not keep up: come back then.
#[utoipa::path(
    get, path = "/v1/mypage/stream", tag = "my page", operation_id = "watchMyPage",
    security(("bearer" = ["CUSTOMER"])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the event that was heard last"),
        ("lastEventId" = Option<String>, Query,
            description = "The same, for a first connection: the header is believed before it"),
    ),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream",
        example = "id: 17\nevent: row\ndata: {\"rentalId\":\"rental_…\",\"version\":17}\n\n")),
)]
pub(crate) async fn my_page(
    app: web::Data<App>,
    limits: web::Data<Limits>,
    Customer(customer): Customer,
    Token(token): Token,
    request: HttpRequest,
    mut query: Query,
) -> Result<HttpResponse, Problem> {
    let asked = query.get("lastEventId", "must be the id of an event", |id| Some(id.to_owned()));
    query.end()?;
    let mut headers = request.headers().get_all(LAST_EVENT_ID);
    let header = headers.next().map(|id| id.to_str().unwrap_or_default().to_owned());
    if headers.next().is_some() {
        return Err(Problem::invalid_field("/headers/Last-Event-ID", "must be given once"));
    }
    // What is no id of ours is told as one that is too old: a browser could do nothing about a refusal.
    let after = header.or(asked).map(|id| Position(id.trim().parse().unwrap_or(u64::MAX)));
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header((header::CACHE_CONTROL, "no-store"));
    // Nginx would keep events back until there are enough of them.
    response.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let watching = app.shop.watch_my_page(customer, after).await?;
    let (mut heartbeat, draining) = (tokio::time::interval(limits.heartbeat()), app.drain());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    let changes = watching.changes;
    let first = opening(watching.position, watching.missed);
    let stream = RowStream { app, customer, token, first, changes, draining, heartbeat };
    Ok(response.streaming(stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|piece| (Ok::<_, Infallible>(piece), stream))
    })))
}

/// A stream under way.
struct RowStream {
    app: web::Data<App>,
    customer: CustomerId,
    token: String,
    /// What is told before any change to come.
    first: VecDeque<Bytes>,
    changes: mpsc::Receiver<Arc<RentalRow>>,
    draining: watch::Receiver<bool>,
    heartbeat: Interval,
}

impl RowStream {
    /// The next piece; none at the end.
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
        // Whoever has left hears of nothing that came after.
        if !self.may_go_on() {
            return None;
        }
        let Some(change) = change else { return Some(Bytes::from_static(b": still here\n\n")) };
        let mut piece = event(&change);
        while piece.len() < PIECE_BYTES
            && let Ok(change) = self.changes.try_recv()
        {
            piece.push_str(&event(&change));
        }
        Some(piece.into())
    }

    /// Whether the session is still the customer's.
    fn may_go_on(&self) -> bool {
        self.app.shop.authenticate(&self.token) == Some(Principal::Customer(self.customer))
    }
}

/// What is told first: from where on, when to come back, and what was missed.
fn opening(position: Position, missed: Missed) -> VecDeque<Bytes> {
    let Position(here) = position;
    let retry = format!("retry: {RETRY_MS}\n");
    let mut first = VecDeque::new();
    match missed {
        Missed::TooMuch => first.push_back(format!("{retry}id: {here}\nevent: reset\ndata: {{}}\n\n").into()),
        Missed::Changes(changes) => {
            first.push_back(format!("{retry}\n").into());
            first.extend(changes.iter().map(|row| Bytes::from(event(row))));
            // An id without data is remembered by a browser, and is no event.
            first.push_back(format!("id: {here}\n\n").into());
        }
    }
    first
}

/// A row's change, as an event.
fn event(row: &RentalRow) -> String {
    let data = serde_json::json!(resources::MyPageRow::from(row));
    format!("id: {}\nevent: row\ndata: {data}\n\n", row.version)
}
