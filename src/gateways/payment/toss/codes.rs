//! Error codes of Toss Payments, and what they mean for the money.
//!
//! The HTTP status is not enough: status 400 covers declines, payments that were captured earlier
//! (`ALREADY_PROCESSED_PAYMENT`), and failures behind the provider, possibly after a capture
//! (`PROVIDER_ERROR`). A code that is not listed is unknown, and the order is looked up. A missing decline
//! costs time; a wrongly listed code would cost money.

/// No payment has this order id or payment key.
pub(super) const NO_PAYMENT: &str = "NOT_FOUND_PAYMENT";

/// Definite declines of a confirmation. Only a confirmation captures an order, and only one is ever sent, so
/// an order declined with one of these codes is never captured.
const DECLINES: &[&str] = &[
    // Declined by issuer or bank.
    "REJECT_CARD_PAYMENT",
    "REJECT_CARD_COMPANY",
    "REJECT_ACCOUNT_PAYMENT",
    "REJECT_TOSSPAY_INVALID_ACCOUNT",
    "INVALID_REJECT_CARD",
    "FDS_ERROR",
    // Unusable card or account; the issuer was not asked.
    "INVALID_CARD_NUMBER",
    "INVALID_CARD_EXPIRATION",
    "INVALID_STOPPED_CARD",
    "INVALID_CARD_LOST_OR_STOLEN",
    "INVALID_PASSWORD",
    "INVALID_ACCOUNT_INFO_RE_REGISTER",
    "RESTRICTED_TRANSFER_ACCOUNT",
    "NOT_ALLOWED_POINT_USE",
    "NOT_AVAILABLE_BANK",
    "NOT_AVAILABLE_PAYMENT",
    // Limits of amount or count.
    "BELOW_MINIMUM_AMOUNT",
    "EXCEED_MAX_AMOUNT",
    "EXCEED_MAX_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_AMOUNT",
    "EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT",
    "EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT",
    "EXCEED_MAX_AUTH_COUNT",
    // Instalment plan not available.
    "EXCEED_MAX_CARD_INSTALLMENT_PLAN",
    "INVALID_CARD_INSTALLMENT_PLAN",
    "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT",
    "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN",
    // Nothing to confirm: not authorized, or the ten minutes have passed.
    NO_PAYMENT,
    "NOT_FOUND_PAYMENT_SESSION",
];

/// Permanent refusals of a refund, which need an operator.
const REFUND_REFUSALS: &[&str] = &[
    "NOT_CANCELABLE_PAYMENT",
    "NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER",
    "NOT_CANCELABLE_AMOUNT",
    "NOT_MATCHES_REFUNDABLE_AMOUNT",
    "NOT_ALLOWED_PARTIAL_REFUND",
    "EXCEED_MAX_REFUND_DUE",
    "EXCEED_CANCEL_LIMIT",
    "EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT",
    "REFUND_REJECTED",
    "FORBIDDEN_BANK_REFUND_REQUEST",
    "INVALID_REFUND_ACCOUNT_INFO",
    "INVALID_REFUND_ACCOUNT_NUMBER",
    "INVALID_BANK",
];

/// Returns the code if it is a definite decline.
pub(super) fn decline(code: &str) -> Option<&'static str> {
    DECLINES.iter().copied().find(|decline| *decline == code)
}

pub(super) fn refuses_refund(code: &str) -> bool {
    REFUND_REFUSALS.contains(&code)
}
