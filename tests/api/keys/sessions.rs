//! Logging in with a key: its repetition gets the same token while the session lasts.

use saem::{Journal as _, Principal, Shop, ShopError};

use crate::kit::{
    contains,
    runtime::{HOUR_MS, OPERATOR_KEY, Runtime, customer, phone, request_key, reused},
};

async fn log_in(shop: &Shop, key: &str, body: u8) -> Result<(String, bool), ShopError> {
    let key = Some(request_key(shop, key, body));
    let session = shop.log_in(phone(), "password".to_owned(), key).await?;
    assert!(matches!(session.principal, Principal::Customer(_)));
    Ok((session.token, session.replayed))
}

#[actix::test]
async fn repeated_log_in_gets_its_token_while_the_session_lasts() {
    let (mut runtime, shop) = Runtime::start().await;
    let who = customer(&shop).await;
    let (token, replayed) = log_in(&shop, "a", 1).await.unwrap();
    assert!(!replayed);
    assert_ne!(log_in(&shop, "b", 1).await.unwrap().0, token);
    let shop = runtime.crash().await;
    assert_eq!(log_in(&shop, "a", 1).await.unwrap(), (token.clone(), true));
    assert_eq!(shop.authenticate(&token), Some(Principal::Customer(who)));
    reused(log_in(&shop, "a", 2).await);
    let wrong = shop.log_in(phone(), "drowssap".to_owned(), Some(request_key(&shop, "a", 1))).await;
    assert_eq!(wrong.map(|_| ()).unwrap_err(), ShopError::BadCredentials);

    shop.log_out(&token).await.unwrap();
    let (next, replayed) = log_in(&shop, "a", 1).await.unwrap();
    assert!(!replayed && next != token, "the token of an ended session is not given out again");
    assert_eq!(shop.authenticate(&token), None);
    assert_eq!(log_in(&shop, "a", 1).await.unwrap(), (next.clone(), true));
    runtime.advance(24 * HOUR_MS);
    assert!(!log_in(&shop, "a", 1).await.unwrap().1, "the session is over");
    assert_eq!(shop.authenticate(&next), None);
    for (key, value) in runtime.journal.vault_scan(String::new()).await.unwrap() {
        let holds = |secret: &str| contains(&value, secret) || key.contains(secret);
        assert!(!holds(&token) && !holds(&next), "{key} holds a token");
    }
}

#[actix::test]
async fn repeated_log_in_of_the_operator_gets_its_token() {
    let (_, shop) = Runtime::start().await;
    let key = |body| Some(request_key(&shop, "a", body));
    let first = shop.log_in_operator(OPERATOR_KEY, key(1)).await.unwrap();
    let again = shop.log_in_operator(OPERATOR_KEY, key(1)).await.unwrap();
    assert_eq!((&again.token, again.expires_at), (&first.token, first.expires_at));
    assert_eq!((first.replayed, again.replayed), (false, true));
    reused(shop.log_in_operator(OPERATOR_KEY, key(2)).await.map(|_| ()));
    assert!(shop.log_in_operator("another", key(1)).await.is_err());
    let unkeyed = shop.log_in_operator(OPERATOR_KEY, None).await.unwrap();
    assert!(!unkeyed.replayed && unkeyed.token != first.token);
}
