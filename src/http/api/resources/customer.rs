//! Customers and sessions.

use super::prelude::*;
use crate::shop::{CustomerView, Principal, SessionView};

/// A customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Customer {
    id: CustomerId,
    #[schema(example = "홍길동")]
    name: String,
    /// Mobile number in E.164.
    #[schema(example = "+821012345678")]
    phone: String,
    /// Time of sign-up.
    created_at: Time,
}

impl From<&CustomerView> for Customer {
    fn from(view: &CustomerView) -> Self {
        Self {
            id: view.id,
            name: view.name.clone(),
            phone: view.phone.clone(),
            created_at: Time(view.created_at),
        }
    }
}

/// Role of a token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Role {
    /// Rents products.
    Customer,
    /// Manages products and deliveries, and operates the server.
    Operator,
}

/// A session with its token, which is shown only in this response.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct OpenedSession {
    /// Bearer token: send it as `Authorization: Bearer …`.
    #[schema(example = "5f0c6c1e0d7a4a1b9c3e2f1d0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b")]
    token: String,
    role: Role,
    /// Expiry of the session.
    expires_at: Time,
}

impl From<&SessionView> for OpenedSession {
    fn from(view: &SessionView) -> Self {
        let role = match view.principal {
            Principal::Customer(_) => Role::Customer,
            Principal::Operator => Role::Operator,
        };
        Self { token: view.token.clone(), role, expires_at: Time(view.expires_at) }
    }
}
