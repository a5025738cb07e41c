//! Provider `stripe` against a strict double of Stripe: call by call, and as a whole shop's gateway.

mod charging;
mod double;
mod later;
mod secrets;
mod shop;

use saem::gateways::payment::{
    Charged, GatewayError,
    http::{self, client},
    stripe::StripeGateway,
};

use self::double::{Double, SECRET};

/// The gateway, at the double.
fn gateway(double: &Double) -> StripeGateway {
    StripeGateway::new(client().unwrap(), http::base_url(&double.url).unwrap(), SECRET.to_owned())
}

fn declined(code: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Declined { code: code.to_owned() })
}

fn approved(reference: &str) -> Result<Charged, GatewayError> {
    Ok(Charged::Approved { reference: reference.to_owned() })
}

fn unknown<T>(answer: &Result<T, GatewayError>) -> bool {
    matches!(answer, Err(GatewayError::Unknown(_)))
}

/// Gives up, as the payment actor does.
async fn given_up<T>(call: saem::gateways::payment::Call<T>) -> bool {
    tokio::time::timeout(std::time::Duration::from_millis(300), call).await.is_err()
}
