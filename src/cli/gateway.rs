//! `saem gateway`: runs the payment simulator in its own process.

use std::path::PathBuf;

use clap::Args;
use saem::{
    Ledger, Sources,
    internal::config::{Settings, open},
};

use super::{Failure, Signals, listen, output::print};

#[derive(Args)]
pub(crate) struct Gateway {
    /// Read settings from this TOML file; only `payment.simulator` and `payment.key` are used.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Listen on this address and port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    listen: String,
    /// Keep the ledger of charges and refunds in this file.
    #[arg(long, value_name = "FILE", default_value = "./gateway.ledger")]
    ledger: PathBuf,
}

impl Gateway {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::install()?;
        let payment = Settings::load(self.config.as_deref(), &[])?.payment;
        let listener = listen(&self.listen)?;
        let ledger = Ledger::open(&self.ledger)?;
        let simulator = open::simulator(&payment.simulator, ledger, &Sources::system());
        let address = listener.local_addr()?;
        let server =
            saem::internal::http::simulator_server::serve(simulator, listener, payment.key.map(|key| key.0))?;
        let ledger = self.ledger.display();
        print(format_args!(
            "Saem's payment simulator listens on http://{address}\n  ledger        {ledger}\n"
        ))?;
        let handle = server.handle();
        actix_web::rt::spawn(async move {
            // Pending requests are dropped, as by any gateway that goes down.
            signals.recv().await;
            handle.stop(false).await;
        });
        Ok(server.await?)
    }
}
