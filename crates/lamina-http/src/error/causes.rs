//! What failures of the layers below are to a caller.

use lamina_api::{ErrorCode, FieldError};
use lamina_explore::ExploreError;
use lamina_store::sqlx::Error as DatabaseError;
use lamina_store::{BlobError, ErrorClass, StoreError};

use super::ApiError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::StatusConflict { current, .. } = &error {
            return Self::conflict(format!(
                "The dataset is {current}, which does not allow this operation"
            ));
        }
        if let StoreError::UploadClosed(_) = &error {
            return Self::conflict("The upload is already being processed");
        }
        if let StoreError::NotFound(what) = &error {
            return Self::not_found(format!("{} not found", capital(what)));
        }
        if let StoreError::Blob(BlobError::NoSpace { .. }) = &error {
            return Self::plain(ErrorCode::StorageFull).with_cause(error);
        }
        let code = match error.class() {
            ErrorClass::InvalidInput => ErrorCode::BadRequest,
            ErrorClass::NotFound => ErrorCode::NotFound,
            ErrorClass::Conflict => ErrorCode::Conflict,
            ErrorClass::Unavailable | ErrorClass::Timeout => ErrorCode::Unavailable,
            ErrorClass::Internal => ErrorCode::Internal,
        };
        Self::plain(code).with_cause(error)
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

impl From<ExploreError> for ApiError {
    fn from(error: ExploreError) -> Self {
        let text = error.to_string();
        match error {
            ExploreError::UnknownAnchor(_) => Self::not_found("Anchor media not found"),
            ExploreError::BadPicture(_) | ExploreError::BadRegion(_) => Self::bad_request(text),
            ExploreError::BadFilter(_) => Self::fields(vec![FieldError::new(
                "value_error",
                "query",
                "vql",
                &text,
                serde_json::Value::Null,
            )]),
            ExploreError::NothingIndexed(_) => Self::conflict(text),
            ExploreError::MissingPackage(_) | ExploreError::Unbound(_) => {
                Self::new(ErrorCode::Unavailable, text)
            }
            ExploreError::Unavailable(_) => Self::plain(ErrorCode::Unavailable).with_cause(error),
            ExploreError::Inference(inference) => of_inference(inference),
            ExploreError::Store(store) => store.into(),
            ExploreError::Queue(queue) => queue.into(),
            ExploreError::Index(_) | ExploreError::Disk(_) | ExploreError::SearchThread(_) => {
                Self::internal(error)
            }
        }
    }
}

fn of_inference(error: lamina_inference::InferenceError) -> ApiError {
    use lamina_inference::ErrorClass;
    match error.class() {
        ErrorClass::InvalidInput => ApiError::bad_request(error.to_string()),
        ErrorClass::Overloaded { retry_after } => ApiError::plain(ErrorCode::Overloaded)
            .with_retry_after(retry_after)
            .with_cause(error),
        ErrorClass::Unavailable => ApiError::plain(ErrorCode::Unavailable).with_cause(error),
        ErrorClass::Internal => ApiError::internal(error),
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<lamina_jobs::QueueError> for ApiError {
    fn from(error: lamina_jobs::QueueError) -> Self {
        if let lamina_jobs::QueueError::Database(database) = error {
            return database.into();
        }
        Self::internal(error)
    }
}
