//! What failures of the layers below are to a caller.

use lamina_api::ErrorCode;
use lamina_explore::ExploreError;
use lamina_store::{BlobError, ErrorClass, StoreError};

use super::ApiError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::StatusConflict { current, .. } => {
                return Self::conflict(format!(
                    "The dataset is {current}, which does not allow this operation"
                ));
            }
            StoreError::UploadClosed(_) => {
                return Self::conflict("The upload is already being processed");
            }
            StoreError::NotFound(what) => {
                return Self::not_found(format!("{} not found", capital(what)));
            }
            StoreError::Blob(BlobError::NoSpace { .. }) => {
                return Self::plain(ErrorCode::StorageFull).with_cause(error);
            }
            _ => {}
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
            ExploreError::NothingIndexed(_) => Self::conflict(text),
            ExploreError::MissingPackage(_) => Self::new(ErrorCode::Unavailable, text),
            ExploreError::Unavailable(_) => Self::plain(ErrorCode::Unavailable).with_cause(error),
            ExploreError::Inference(inference) => of_inference(inference),
            ExploreError::Store(store) => store.into(),
            ExploreError::Queue(queue) => queue.into(),
            ExploreError::Index(_) | ExploreError::SearchThread(_) => Self::internal(error),
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

impl From<lamina_store::sqlx::Error> for ApiError {
    fn from(error: lamina_store::sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<lamina_jobs::QueueError> for ApiError {
    fn from(error: lamina_jobs::QueueError) -> Self {
        match error {
            lamina_jobs::QueueError::Database(database) => database.into(),
            other => Self::internal(other),
        }
    }
}
