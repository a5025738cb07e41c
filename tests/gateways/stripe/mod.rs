//! Provider `stripe` against a strict double of Stripe: call by call, and as the gateway of a whole shop.

mod charging;
mod double;
mod later;
mod secrets;
mod shop;

use saem::internal::gateways::{StripeGateway, http};

use self::double::{Double, SECRET};

/// The double, and a gateway that calls it.
fn start() -> (Double, StripeGateway) {
    let double = Double::start();
    let base = http::base_url(&double.url).unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, SECRET.to_owned());
    (double, gateway)
}
