//! `saem gateway`: the payment simulator as a process of its own.

use std::path::PathBuf;

use clap::Args;
use saem::{
    actors::sources::Sources,
    config::{Settings, open},
    gateways::payment::ledger::Ledger,
};

use super::{Failure, Signals, listen, say::say};

#[derive(Args)]
pub(crate) struct Gateway {
    /// Read settings from a TOML file: `payment.simulator` and `payment.key` are used.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Listen here.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: String,
    /// Keep the record of what was taken here.
    #[arg(long, value_name = "FILE", default_value = "./gateway.ledger")]
    ledger: PathBuf,
}

impl Gateway {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::expected()?;
        let payment = Settings::load(self.config.as_deref(), &[])?.payment;
        let listener = listen(&self.listen)?;
        let ledger = Ledger::open(&self.ledger)?;
        let simulator = open::simulator(&payment.simulator, ledger, &Sources::system());
        let address = listener.local_addr()?;
        let server = saem::http::simulator_server::serve(simulator, listener, payment.key.map(|key| key.0))?;
        let ledger = self.ledger.display();
        say(format_args!(
            "Saem's payment simulator listens on http://{address}\n  ledger        {ledger}\n"
        ))?;
        let handle = server.handle();
        actix_web::rt::spawn(async move {
            // Whoever waits for an answer waits in vain, as at any gateway that goes away.
            signals.at_once().await;
            handle.stop(false).await;
        });
        Ok(server.await?)
    }
}
