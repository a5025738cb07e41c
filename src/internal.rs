//! Parts of the crate that its own binary, tests and benches need. Not public API: no embedder may use it.

pub mod actors {
    pub use crate::actors::{
        checkouts::Checkout,
        entity::{
            ask::AskError,
            delay::{DelayHook, Delays, is_safe_to_repeat},
            exchange::{Exchange, ExchangeSettings},
            reads,
            supervisor::{EntityStatus, EvictionPolicy},
        },
        payment::Rules,
        projection::mypage,
        receipts::{Receipt, ReceiptOutcome},
        request::RequestKey,
        sources::{SystemClock, TokioClock},
        supervision::{guard::guarded, restart::RestartLimits},
    };
}

#[cfg(feature = "server")]
pub mod config {
    pub use crate::config::{Http, List, Secret, Settings, Store, open, reference};
}

pub mod domain {
    pub use crate::domain::{
        Aggregate, Causation, CheckoutId, EntityId, EntityKind, Journaled, Meta, NewEvent, Rejection,
        Version,
        account::{Account, AccountError},
        context::{Context, ContextError, Group, Maintenance, Parked, ParkedKey},
        delivery::{Delivery, DeliveryError},
        id::uuid_v8,
        image::{Image, ImageFormat},
        invariants::{self, Check, LedgerLine, MessageRecord, PageRow, Violation},
        payment::{Payment, PaymentPhase},
        policies::unit_is_out,
        product::{Fence, MAX_STOCK, Product, ProductCommand, ProductError},
        rental::{Deferral, Rental, RentalCommand, RentalError, Terms},
    };
}

pub mod gateways {
    pub use crate::gateways::payment::ledger::{self, Entry, EntryStatus};
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
        BackUpError, BackedUp, Backend, COMMIT_BYTES_MAX, Compacted, FaultMode, KnownEntity, ListedRow,
        MAX_EVENTS, OpenError, Pending, RecordedCommit, SNAPSHOT_BYTES_MAX, StoreOptions, VAULT_BYTES_MAX,
        VaultRow, VaultWrite, ViewRow, ViewWrite,
        codec::{self, encode},
        memory::{Failure, FaultPlan},
        panic_is_expected, restore,
    };
}

pub mod telemetry {
    #[cfg(feature = "otlp")]
    pub use crate::telemetry::otlp::Recording;
    pub use crate::telemetry::trace::TraceContext;
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
