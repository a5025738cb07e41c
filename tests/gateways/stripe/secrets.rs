//! The key goes to Stripe, and nowhere else.

use saem::gateways::payment::{GatewayError, PaymentGateway as _, http, stripe::StripeGateway};

use super::double::{Double, Fault, Place, SECRET};
use crate::kit::peer::{FEE, card, key, sought};

fn told<T>(answer: Result<T, GatewayError>) -> String {
    let error = answer.err().expect("it fails");
    format!("{error} {error:?}")
}

#[tokio::test]
async fn a_wrong_key_moves_nothing_and_is_not_told_of() {
    let double = Double::start();
    let wrong = "sk_live_TheWrongOne";
    let base = http::base_url(&double.url).unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, wrong.to_owned());
    let said = [
        told(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await),
        told(gateway.find(&sought(1, 1)).await),
        told(gateway.void(&sought(1, 1)).await),
        told(gateway.refund(&sought(1, 1)).await),
    ];
    for said in said {
        assert!(said.contains("unknown") && said.contains("401"), "{said}");
        assert!(!said.contains(wrong) && !said.contains(SECRET), "{said}");
    }
    assert!(double.state().intents.is_empty());
}

#[tokio::test]
async fn what_stripe_says_in_words_is_not_repeated() {
    let double = Double::start();
    let gateway = super::gateway(&double);
    gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await.unwrap();
    // The double quotes the key in each message.
    for fault in [Fault::FailBefore, Fault::Busy(429, "rate_limit"), Fault::Refuse("refused")] {
        double.fails(Place::LookUp, fault);
        let said = told(gateway.find(&sought(1, 1)).await);
        assert!(!said.contains(SECRET), "{said}");
    }
    double.fails(Place::Refund, Fault::Refuse("balance_insufficient"));
    assert_eq!(
        gateway.refund(&sought(1, 1)).await.unwrap_err().to_string(),
        "the gateway refuses: balance_insufficient"
    );
}

#[tokio::test]
async fn a_stripe_that_is_away_is_not_told_of_with_its_url() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base = http::base_url(&format!("http://{address}")).unwrap();
    let gateway = StripeGateway::new(http::client().unwrap(), base, SECRET.to_owned());
    let said = told(gateway.charge(key(1, 1), FEE, &card("pm_card_visa")).await);
    assert!(said.contains("unknown") && !said.contains(&address.to_string()) && !said.contains(SECRET));
}
