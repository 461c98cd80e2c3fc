//! What each Postgres error code means for the caller (hardening P27): input that Postgres refuses is the caller's
//! mistake, never ours; a database that is away is no mistake at all.

use crate::ErrorClass;

/// The class of a driver error. Written as a chain, not a `match`: the driver may add kinds, and a new kind is "internal".
pub(crate) fn class_of(error: &sqlx::Error) -> ErrorClass {
    use sqlx::Error::{
        BeginFailed, Encode, Io, PoolClosed, PoolTimedOut, Protocol, RowNotFound, Tls,
        WorkerCrashed,
    };
    if let Some(database) = error.as_database_error() {
        database
            .code()
            .map_or(ErrorClass::Internal, |code| class_of_code(&code))
    } else if matches!(error, RowNotFound) {
        ErrorClass::NotFound
    } else if matches!(error, Encode(_)) {
        // A value beyond its type is refused by the driver before it is sent.
        ErrorClass::InvalidInput
    } else if matches!(
        error,
        PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed | Io(_) | Tls(_) | Protocol(_)
    ) {
        // The driver reports a connection that broke in the middle of a message as a protocol error.
        ErrorClass::Unavailable
    } else {
        ErrorClass::Internal
    }
}

/// The class of a five-character SQLSTATE.
fn class_of_code(code: &str) -> ErrorClass {
    match code {
        // unique and exclusion constraints: a name or an id is taken.
        "23505" | "23P01" => ErrorClass::Conflict,
        // A row we meant to point at is gone, or one that is pointed at should go.
        "23503" => ErrorClass::Conflict,
        // Serialisation failure and deadlock: trying again helps.
        "40001" | "40P01" => ErrorClass::Unavailable,
        // query_canceled (statement timeout), lock_not_available, idle_in_transaction_session_timeout.
        "57014" | "55P03" | "25P03" => ErrorClass::Timeout,
        // 23502 not null, 23514 check: values that may not be stored.
        _ if code.starts_with("23") => ErrorClass::InvalidInput,
        // Data exceptions: NUL in text, bad jsonb, numbers out of range, negative offset, ...
        _ if code.starts_with("22") => ErrorClass::InvalidInput,
        // Program limits: index row too long, text search vector too long, too many columns.
        _ if code.starts_with("54") => ErrorClass::InvalidInput,
        // tsquery text that does not parse arrives as a syntax error; our own statements are tested.
        "42601" => ErrorClass::InvalidInput,
        // Connection exceptions, resources, shutdown and start-up, system I/O.
        _ if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
            ErrorClass::Unavailable
        }
        _ => ErrorClass::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_class_that_tells_the_caller_what_to_do() {
        for (code, class) in [
            ("23505", ErrorClass::Conflict),
            ("23503", ErrorClass::Conflict),
            ("23514", ErrorClass::InvalidInput),
            ("22021", ErrorClass::InvalidInput),
            ("22P05", ErrorClass::InvalidInput),
            ("2201X", ErrorClass::InvalidInput),
            ("54000", ErrorClass::InvalidInput),
            ("57014", ErrorClass::Timeout),
            ("57P03", ErrorClass::Unavailable),
            ("53300", ErrorClass::Unavailable),
            ("08006", ErrorClass::Unavailable),
            ("40P01", ErrorClass::Unavailable),
            ("42P01", ErrorClass::Internal),
            ("XX001", ErrorClass::Internal),
        ] {
            assert_eq!(class_of_code(code), class, "{code}");
        }
    }
}
