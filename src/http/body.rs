//! Request bodies, with limits of size and time.

use std::time::Duration;

use actix_web::{
    dev::Payload,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;

use super::problem::{Problem, ProblemKind};

pub(crate) struct Body {
    pub name: &'static str,
    /// Maximum size in bytes, and as text.
    pub max: (usize, &'static str),
    /// Problem of a body that breaks off.
    pub broken: ProblemKind,
}

impl Body {
    pub(crate) async fn read(&self, payload: Payload, within: Duration) -> Result<Bytes, Problem> {
        let detail = || format!("the {} took longer than {} ms to arrive", self.name, within.as_millis());
        let late = |_| Problem::new(ProblemKind::RequestTimeout, detail());
        tokio::time::timeout(within, self.gather(payload)).await.map_err(late)?
    }

    async fn gather(&self, mut payload: Payload) -> Result<Bytes, Problem> {
        let (name, (max_bytes, max)) = (self.name, self.max);
        let mut body = BytesMut::new();
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| Problem::new(self.broken, format!("the {name} was cut off")))?;
            if body.len() + part.len() > max_bytes {
                let detail = format!("the {name} has more than {max}");
                return Err(Problem::new(ProblemKind::PayloadTooLarge, detail));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }
}
