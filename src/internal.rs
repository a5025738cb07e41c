//! Parts of the crate that its own binary, tests and benches need. Not public API: no embedder may use it.

pub mod actors {
    pub use crate::actors::{
        checkouts::Checkout,
        entity::{
            delay::{DelayHook, Delays, is_safe_to_repeat},
            exchange::{Exchange, ExchangeSettings},
            reads,
        },
        projection::mypage,
        receipts::{Receipt, ReceiptOutcome},
        sources::{SystemClock, TokioClock},
        supervision::guard::guarded,
    };
}

#[cfg(feature = "server")]
pub mod config {
    pub use crate::config::{Http, List, Secret, Settings, Store, open, reference};
}

pub mod domain {
    pub use crate::domain::{
        Aggregate, Journaled,
        account::Account,
        context::Maintenance,
        id::uuid_v8,
        invariants::{self, Check, LedgerLine, MessageRecord, PageRow, Violation},
        payment::Payment,
        policies::unit_is_out,
        product::{MAX_STOCK, Product, ProductCommand},
        rental::RentalCommand,
    };
}

pub mod gateways {
    pub use crate::gateways::payment::ledger;
    #[cfg(feature = "gateway-http")]
    pub use crate::gateways::payment::{
        http::{self, HttpGateway, base_url, client},
        stripe::StripeGateway,
        toss::TossGateway,
    };
}

#[cfg(feature = "server")]
pub mod http {
    pub use crate::http::{
        Listeners, ProblemKind, ROUTES, ServerSettings, Tls, openapi_document, serve, simulator_server,
    };
}

pub mod planted {
    #[cfg(feature = "planted")]
    pub use crate::planted::plant;
    pub use crate::planted::{BUGS, Bug};
}

pub mod store {
    pub use crate::store::{
        COMMIT_BYTES_MAX, FaultMode, MAX_EVENTS, SNAPSHOT_BYTES_MAX, StoreOptions, VAULT_BYTES_MAX,
        codec::{self, encode},
        memory::{Failure, FaultPlan},
        panic_is_expected, restore,
    };
}

#[cfg(feature = "otlp")]
pub mod telemetry {
    pub use crate::telemetry::otlp::Recording;
}

#[cfg(feature = "server")]
pub mod tools {
    pub use crate::tools::{
        Progress,
        export::{ExportError, export},
        import::import,
        lines::{Counts, Line},
        verify::{Files, Verified, verify},
    };
}
