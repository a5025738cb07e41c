//! Role × route: a caller without the role is refused before anything else is checked.

use reqwest::StatusCode;
use serde_json::json;

use super::{cases::Case, document::CONTRACT, request::Request, world::World};
use crate::kit::{Client, operator_key};

const UNAUTHORIZED: u16 = StatusCode::UNAUTHORIZED.as_u16();
const FORBIDDEN: u16 = StatusCode::FORBIDDEN.as_u16();

async fn gone(world: &World) -> Client {
    let session = world.session(json!({"operatorKey": operator_key(&world.app.data())})).await;
    Request::of("logOut", &session).succeeds().await;
    session
}

#[tokio::test]
async fn callers_without_the_role_are_refused_first() {
    let world = World::start().await;
    let (gone, garbage) = (gone(&world).await, Client::of(&world.app.url(), Some("x".repeat(64))));
    let customer = world.fresh_customer().await;
    for operation in CONTRACT.operations.iter().filter(|operation| !operation.roles.is_empty()) {
        let request = (Case::of(&operation.id).make)(&world).await;
        let refused = |role: &str| if operation.takes(role) { None } else { Some(FORBIDDEN) };
        let callers = [
            (world.app.anyone(), Some(UNAUTHORIZED)),
            (garbage.clone(), Some(UNAUTHORIZED)),
            (gone.clone(), Some(UNAUTHORIZED)),
            (customer.clone(), refused("CUSTOMER")),
            (world.operator.clone(), refused("OPERATOR")),
        ];
        for (caller, status) in callers {
            let Some(status) = status else { continue };
            let mut request = request.clone().by(&caller);
            let refused = world.unchanged_by(&operation.id, async {
                let mut statuses = vec![request.send().await.status];
                if operation.body.is_some() {
                    statuses.push(request.send_raw("{").await.status);
                    request.set("/unknown", Some(json!(1)));
                    statuses.push(request.send().await.status);
                }
                request.query.push(("unknown".to_owned(), "1".to_owned()));
                request.path.iter_mut().for_each(|(_, value)| *value = "nonsense".to_owned());
                statuses.push(request.send().await.status);
                statuses
            });
            let statuses = refused.await;
            assert!(statuses.iter().all(|of| *of == status), "{request}: {statuses:?}, not {status}");
        }
        request.succeeds().await;
        world.retried(&operation.id).await;
    }
}

#[tokio::test]
async fn callers_with_the_role_succeed() {
    let world = World::start().await;
    let garbage = Client::of(&world.app.url(), Some("garbage".to_owned()));
    for operation in &CONTRACT.operations {
        let make = Case::of(&operation.id).make;
        if operation.roles.is_empty() {
            for caller in [&garbage, &world.customer, &world.operator] {
                make(&world).await.by(caller).succeeds().await;
            }
        }
        if operation.takes("OPERATOR") {
            make(&world).await.by(&world.operator).succeeds().await;
        }
        if operation.takes("CUSTOMER") {
            let request = make(&world).await;
            let request = if operation.id == "logOut" {
                request.by(&world.fresh_customer().await)
            } else if operation.takes("OPERATOR") {
                request.by(&world.customer)
            } else {
                request
            };
            request.succeeds().await;
        }
    }
}
