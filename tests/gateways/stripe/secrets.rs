//! The secret key is sent to Stripe only, and never shown.

use saem::{
    GatewayError, PaymentGateway as _,
    internal::gateways::{StripeGateway, http},
};

use super::{
    double::{Double, Fault, Place, SECRET},
    start,
};
use crate::kit::gateway::{FEE, card, key, sought};

fn shown<T>(answer: Result<T, GatewayError>) -> String {
    let error = answer.err().expect("it fails");
    format!("{error} {error:?}")
}

#[tokio::test]
async fn wrong_key_charges_nothing_and_is_not_shown() {
    let double = Double::start();
    let wrong = "sk_live_TheWrongOne";
    let base = http::base_url(&double.url).unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, wrong.to_owned());
    let text = [
        shown(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await),
        shown(gateway.find(&sought(1, 1)).await),
        shown(gateway.void(&sought(1, 1)).await),
        shown(gateway.refund(&sought(1, 1)).await),
    ];
    for text in text {
        assert!(text.contains("unknown") && text.contains("401"), "{text}");
        assert!(!text.contains(wrong) && !text.contains(SECRET), "{text}");
    }
    assert!(double.state().intents.is_empty());
}

#[tokio::test]
async fn messages_of_stripe_are_not_repeated() {
    let (double, gateway) = start();
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    // The double quotes the key in each message.
    for fault in [Fault::FailBefore, Fault::Busy(429, "rate_limit"), Fault::Refuse("refused")] {
        double.fails(Place::LookUp, fault);
        let text = shown(gateway.find(&sought(1, 1)).await);
        assert!(!text.contains(SECRET), "{text}");
    }
    double.fails(Place::Refund, Fault::Refuse("balance_insufficient"));
    assert_eq!(
        gateway.refund(&sought(1, 1)).await.unwrap_err().to_string(),
        "the gateway refuses: balance_insufficient"
    );
}

#[tokio::test]
async fn address_of_an_unreachable_stripe_is_not_shown() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base = http::base_url(&format!("http://{address}")).unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, SECRET.to_owned());
    let text = shown(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await);
    assert!(text.contains("unknown") && !text.contains(&address.to_string()) && !text.contains(SECRET));
}
