//! What Toss Payments refuses with, and what that says of the money.
//!
//! The status alone says nothing: among its 400s are declines, payments that went through long ago
//! (`ALREADY_PROCESSED_PAYMENT`), and failures somewhere behind it (`PROVIDER_ERROR`, which a capture may
//! have come before). So codes are listed, and what is not listed is unknown and looked up. A decline that
//! is missing here costs time; an unknown that is listed would cost money.

/// Nothing has this order id, or this payment key.
pub(super) const NO_PAYMENT: &str = "NOT_FOUND_PAYMENT";

/// Definite declines of a confirmation. The order is captured by nothing but a confirmation, only one is ever
/// sent, and this was its answer: so it never will be.
const DECLINES: &[&str] = &[
    // The issuer or the bank said no: it was asked, and nothing was taken.
    "REJECT_CARD_PAYMENT",
    "REJECT_CARD_COMPANY",
    "REJECT_ACCOUNT_PAYMENT",
    "REJECT_TOSSPAY_INVALID_ACCOUNT",
    "INVALID_REJECT_CARD",
    "FDS_ERROR",
    // The card or the account cannot be used: it was not even asked.
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
    // Too much, too little, or too often.
    "BELOW_MINIMUM_AMOUNT",
    "EXCEED_MAX_AMOUNT",
    "EXCEED_MAX_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_AMOUNT",
    "EXCEED_MAX_MONTHLY_PAYMENT_AMOUNT",
    "EXCEED_MAX_ONE_DAY_WITHDRAW_AMOUNT",
    "EXCEED_MAX_ONE_TIME_WITHDRAW_AMOUNT",
    "EXCEED_MAX_DAILY_PAYMENT_COUNT",
    "EXCEED_MAX_AUTH_COUNT",
    // Not in these instalments.
    "EXCEED_MAX_CARD_INSTALLMENT_PLAN",
    "INVALID_CARD_INSTALLMENT_PLAN",
    "NOT_SUPPORTED_INSTALLMENT_PLAN_CARD_OR_MERCHANT",
    "NOT_SUPPORTED_MONTHLY_INSTALLMENT_PLAN",
    // There is nothing to confirm: the customer authorized nothing for this order, or ten minutes are over.
    NO_PAYMENT,
    "NOT_FOUND_PAYMENT_SESSION",
];

/// Refunds that no other try will bring about: they are for the operator.
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

/// The code, if it is a definite decline.
pub(super) fn decline(code: &str) -> Option<&'static str> {
    DECLINES.iter().copied().find(|decline| *decline == code)
}

pub(super) fn refuses_refund(code: &str) -> bool {
    REFUND_REFUSALS.contains(&code)
}
