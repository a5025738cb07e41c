//! Bodies, read as they arrive: so many bytes at most, and within so long.

use std::time::Duration;

use actix_web::{
    dev::Payload,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;

use super::problem::{Problem, ProblemKind};

/// A kind of body.
pub(crate) struct Body {
    /// What whoever sent it is told that it is.
    pub name: &'static str,
    /// How many bytes it may have, and the same in words.
    pub max: (usize, &'static str),
    /// What it is told as when it breaks off.
    pub broken: ProblemKind,
}

impl Body {
    /// Reads one.
    ///
    /// # Errors
    /// A problem: it is too large, too late, or breaks off.
    pub(crate) async fn read(&self, payload: Payload, within: Duration) -> Result<Bytes, Problem> {
        let told = || format!("the {} took longer than {} ms to arrive", self.name, within.as_millis());
        let late = |_| Problem::new(ProblemKind::RequestTimeout, told());
        tokio::time::timeout(within, self.gather(payload)).await.map_err(late)?
    }

    async fn gather(&self, mut payload: Payload) -> Result<Bytes, Problem> {
        let (name, (max_bytes, max)) = (self.name, self.max);
        let mut body = BytesMut::new();
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| Problem::new(self.broken, format!("the {name} broke off")))?;
            if body.len() + part.len() > max_bytes {
                return Err(Problem::new(
                    ProblemKind::PayloadTooLarge,
                    format!("the {name} has more than {max}"),
                ));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }
}
