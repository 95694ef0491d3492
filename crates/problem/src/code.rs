//! The catalogue: every code a client may meet, with its status and title.

use http::StatusCode;

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $word:literal, $status:literal, $title:literal;)+) => {
        /// A stable, machine-readable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$meta])* $variant,)+ }

        impl Code {
            /// Every code, in the order of its status.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The title for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The one HTTP status of this code, as a number.
            #[must_use]
            pub const fn status_number(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// Fields are missing or wrong; `errors` says which.
    ValidationFailed = "validation_failed", 400, "Validation Failed";
    /// The request cannot be understood.
    BadRequest = "bad_request", 400, "Bad Request";
    /// The body is not JSON.
    InvalidJson = "invalid_json", 400, "Invalid JSON";
    /// An id in the path does not have the form of its kind.
    InvalidIdFormat = "invalid_id_format", 400, "Invalid Id Format";
    /// The account has no such active number.
    PhoneNumberNotActive = "phone_number_not_active", 400, "Phone Number Not Active";
    /// There is no published flow of that id.
    FlowNotPublished = "flow_not_published", 400, "Flow Not Published";
    /// The flow's source has errors; `errors` says where.
    FlowStructureInvalid = "flow_structure_invalid", 400, "Flow Structure Invalid";
    /// No `Authorization: Bearer …` header.
    TokenMissing = "token_missing", 401, "Token Missing";
    /// The key does not exist.
    ApiKeyInvalid = "api_key_invalid", 401, "API Key Invalid";
    /// The key's time is over.
    ApiKeyExpired = "api_key_expired", 401, "API Key Expired";
    /// The key was revoked.
    ApiKeyRevoked = "api_key_revoked", 401, "API Key Revoked";
    /// The account is suspended.
    AccountSuspended = "account_suspended", 403, "Account Suspended";
    /// The key lacks the scope of this operation.
    ApiKeyInsufficientScope = "api_key_insufficient_scope", 403, "API Key Insufficient Scope";
    /// The key may not be used from this address.
    ApiKeyIpRestricted = "api_key_ip_restricted", 403, "API Key IP Restricted";
    /// The route does not exist.
    NotFound = "not_found", 404, "Not Found";
    /// The resource does not exist, or belongs to another account.
    ResourceNotFound = "resource_not_found", 404, "Resource Not Found";
    /// The route exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method Not Allowed";
    /// The body did not come in time.
    RequestTimeout = "request_timeout", 408, "Request Timeout";
    /// The request contradicts an earlier one.
    Conflict = "conflict", 409, "Conflict";
    /// The resource is past the state in which this is possible.
    InvalidStateTransition = "invalid_state_transition", 409, "Invalid State Transition";
    /// The call is over.
    CallAlreadyCompleted = "call_already_completed", 409, "Call Already Completed";
    /// The body is larger than the limit.
    PayloadTooLarge = "payload_too_large", 413, "Payload Too Large";
    /// The content type is not one of those the route reads.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported Media Type";
    /// The account lives in another region; `meta.url` is its edge.
    WrongRegion = "wrong_region", 421, "Wrong Region";
    /// A rule of the platform forbids it.
    BusinessRuleViolation = "business_rule_violation", 422, "Business Rule Violation";
    /// The number may not be called.
    ContactOnDncList = "contact_on_dnc_list", 422, "Contact On DNC List";
    /// The account has as many keys as it may have.
    ApiKeyLimitReached = "api_key_limit_reached", 422, "API Key Limit Reached";
    /// Too many requests; `meta.retryAfterSecs` says when to come back.
    RateLimitExceeded = "rate_limit_exceeded", 429, "Rate Limit Exceeded";
    /// A fault of ours.
    InternalError = "internal_error", 500, "Internal Error";
    /// Something behind the API is away for a while.
    ServiceUnavailable = "service_unavailable", 503, "Service Unavailable";
    /// It took too long, and may have had its effect.
    GatewayTimeout = "gateway_timeout", 504, "Gateway Timeout";
}

impl Code {
    /// The one HTTP status of this code.
    #[must_use]
    pub fn status(self) -> StatusCode {
        // Every number of the table above is a valid status; a test walks through them.
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_unique_and_has_a_valid_error_status() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.status().as_u16(), code.status_number());
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
        }
    }

    #[test]
    fn the_catalogue_is_ordered_by_status() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status_number()));
    }
}
