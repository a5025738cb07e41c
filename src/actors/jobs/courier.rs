//! Courier: sends messages, oldest first, and records their status.
//!
//! Pending rows are sent before the fresh messages of the [outbox](Outbox).
//!
//! **Restart:** a message that was being sent is sent again, with the same id.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tracing::{Instrument as _, debug_span, error, field::display, warn};

use crate::{
    actors::{
        contexts::Contexts,
        projection::{
            Result, after_prefix,
            notification::{
                PENDING,
                outbox::Outbox,
                pending_key, phones_of, position_of,
                record::{NotificationStatus, Record},
                record_key,
            },
        },
        sources::Sources,
    },
    domain::{Position, context::Context, phone::Phone},
    gateways::sms::{SmsError, SmsGateway, TextMessage},
    planted::{self, Bug},
    store::{Journal, StoreError, ViewRow, ViewWrite, codec},
    telemetry::{
        metrics::Counter,
        trace::{self, TraceContext},
    },
};

const SEND_MAX: usize = 64;
const ATTEMPTS_MAX: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Counters of messages since the shop was opened.
#[derive(Debug, Default)]
pub struct MessageCounters {
    pub sent: Counter,
    /// Failed attempts that are retried.
    pub failed: Counter,
    /// Messages given up.
    pub given_up: Counter,
}

#[derive(Clone)]
pub(crate) struct Courier {
    pub journal: Arc<dyn Journal>,
    pub sms: Arc<dyn SmsGateway>,
    pub contexts: Arc<Contexts>,
    pub sources: Sources,
    pub outbox: Outbox,
    pub counters: Arc<MessageCounters>,
}

impl Courier {
    pub(crate) async fn run(self) -> Result<(), String> {
        self.outbox.courier_begins();
        loop {
            self.contexts.running(Context::Notification).await;
            let sent = self.send_some().await.map_err(|error| error.to_string())?;
            match sent {
                SendRound::All => self.outbox.news().await,
                SendRound::Some => {}
                SendRound::WithFailures => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Sends a page of messages: from rows, while there may be pending ones.
    async fn send_some(&self) -> Result<SendRound> {
        // A status that cannot be recorded would have the message sent again and again.
        self.journal.health().map_err(StoreError::Unavailable)?;
        if !self.outbox.is_open() {
            return Ok(SendRound::All);
        }
        if self.outbox.take_rows_wait() {
            let sent = self.send_from_rows().await;
            // There may be more pending rows, even after an error.
            if !matches!(sent, Ok(SendRound::All)) {
                self.outbox.rows_still_wait();
                return sent;
            }
        }
        self.send_fresh().await
    }

    async fn send_from_rows(&self) -> Result<SendRound> {
        let pending = self.journal.view_scan(PENDING.to_vec(), after_prefix(PENDING), SEND_MAX).await?;
        if pending.is_empty() {
            return Ok(SendRound::All);
        }
        let (due, unreadable) = self.with_phones(self.marked(&pending).await?).await?;
        if planted::is(Bug::MessageNotedBeforeSent) {
            self.journal.view_apply(pending.into_iter().map(|(key, _)| (key, None)).collect()).await?;
        }
        let mut failures = !unreadable.is_empty();
        let mut writes = Vec::new();
        for (position, record) in self.send_all(due).await {
            failures |= record.status == NotificationStatus::Pending;
            record_status(&mut writes, position, &record)?;
        }
        self.journal.view_apply(writes).await?;
        Ok(if failures { SendRound::WithFailures } else { SendRound::Some })
    }

    async fn marked(&self, pending: &[ViewRow]) -> Result<Vec<Marked>> {
        let key = |(mark, customer): &ViewRow| Ok(record_key(codec::decode(customer)?, position_of(mark)));
        let keys: Vec<Result<Vec<u8>>> = pending.iter().map(key).collect();
        let rows = self.journal.view_get_all(keys.iter().flatten().cloned().collect()).await?;
        let mut rows = rows.into_iter();
        let missing = || StoreError::Corrupt("a pending message is missing".to_owned());
        let row = |key: Result<_, _>| key.and_then(|_| rows.next().flatten().ok_or_else(missing));
        let records = keys.into_iter().map(row).map(|row| codec::decode(&row?));
        Ok(pending.iter().map(|(mark, _)| position_of(mark)).zip(records).collect())
    }

    async fn send_fresh(&self) -> Result<SendRound> {
        let fresh = self.outbox.take(SEND_MAX);
        if fresh.is_empty() {
            return Ok(SendRound::All);
        }
        if planted::is(Bug::MessageNotedBeforeSent) {
            for (position, record) in &fresh {
                self.outbox.tried(*position, &Record { status: NotificationStatus::Sent, ..record.clone() });
            }
        }
        let records = fresh.iter().map(|(position, record)| (*position, Ok(record.clone())));
        let (due, unreadable) = self.with_phones(records.collect()).await?;
        for (position, record) in fresh.iter().filter(|(position, _)| unreadable.contains(position)) {
            // It is sent from its row, once the phone number can be read.
            self.outbox.tried(*position, record);
        }
        let (mut late, mut writes) = (Vec::new(), Vec::new());
        for (position, record) in self.send_all(due).await {
            if self.outbox.tried(position, &record) {
                late.push(position);
                record_status(&mut writes, position, &record)?;
            }
        }
        if !late.is_empty() {
            self.outbox.are_applied(&late).await;
            self.journal.view_apply(writes).await?;
        }
        Ok(SendRound::Some)
    }

    /// Sends messages concurrently; returns them with their new status.
    async fn send_all(&self, due: Vec<Due>) -> Vec<(Position, Record)> {
        let sends = due
            .into_iter()
            .map(async |(position, record, phone)| (position, self.send(record, phone.as_deref()).await));
        let sent = futures_util::future::join_all(sends).await;
        for (_, record) in &sent {
            match record.status {
                NotificationStatus::Failed => self.counters.given_up.increment(),
                NotificationStatus::Pending => self.counters.failed.increment(),
                NotificationStatus::Sent | NotificationStatus::Delivered => self.counters.sent.increment(),
            }
        }
        sent
    }

    /// Adds phone numbers; returns apart the messages that cannot be read, which must not hold up the others.
    async fn with_phones(&self, records: Vec<Marked>) -> Result<(Vec<Due>, BTreeSet<Position>)> {
        let readable = records.iter().filter_map(|(_, record)| record.as_ref().ok());
        let phones = phones_of(&self.journal, readable.map(|record| record.customer_id)).await?;
        let (mut due, mut unreadable) = (Vec::new(), BTreeSet::new());
        for (position, record) in records {
            let phone = |record: Record| {
                let phone = phones.get(&record.customer_id).cloned().transpose()?;
                Ok((position, record, phone))
            };
            match record.and_then(phone) {
                Ok(readable) => due.push(readable),
                Err(error) => {
                    error!(%error, "a message cannot be read");
                    unreadable.insert(position);
                }
            }
        }
        Ok((due, unreadable))
    }

    /// Hands a message to the SMS gateway, within its rental's trace.
    async fn hand_over(&self, message: TextMessage) -> Result<(), SmsError> {
        let Some(correlation) = message.correlation else { return self.sms.send(message).await };
        let (context, provider) = (TraceContext::root(correlation), self.sms.provider());
        let span = debug_span!("message", notification = %message.id, provider, %correlation);
        let span = trace::join(span, context);
        let sending = async { self.sms.send(message).await };
        trace::context_of(&span, context).within(sending).instrument(span).await
    }

    async fn send(&self, mut record: Record, phone: Option<&str>) -> Record {
        let Some(phone) = phone.map(Phone::parse).and_then(Result::ok) else {
            // The customer has left; the number is erased.
            record.status = NotificationStatus::Failed;
            return record;
        };
        record.attempts += 1;
        let (id, text, correlation) = (record.id, record.text.clone(), record.correlation);
        let message = TextMessage { id, phone, text, correlation };
        match self.hand_over(message).await {
            Ok(()) => {
                record.status = NotificationStatus::Sent;
                record.sent_at = Some(self.sources.now());
            }
            Err(error) => {
                let (correlation, attempts) = (correlation.map(display), record.attempts);
                warn!(notification = %id, correlation, attempts, %error, "a message could not be sent");
                if record.attempts >= ATTEMPTS_MAX {
                    record.status = NotificationStatus::Failed;
                }
            }
        }
        record
    }
}

type Marked = (Position, Result<Record>);

type Due = (Position, Record, Option<String>);

fn record_status(writes: &mut Vec<ViewWrite>, position: Position, record: &Record) -> Result<()> {
    writes.push((record_key(record.customer_id, position), Some(codec::encode(record)?)));
    if record.status != NotificationStatus::Pending {
        writes.push((pending_key(position), None));
    }
    Ok(())
}

enum SendRound {
    All,
    Some,
    WithFailures,
}
