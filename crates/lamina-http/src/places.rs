//! Places that a caller names: paths below the ingest roots, buckets, addresses of lists.

use lamina_store::remote::{BucketPath, RemoteError, Remotes};
use lamina_types::IngestSource;

use crate::ApiError;
use crate::state::AppState;

/// Ends of the names of lists.
const LISTS: [&str; 3] = [".txt", ".csv", ".parquet"];

/// What lies at a path or address. Nothing elsewhere is asked: what is not there is found out by the job.
///
/// # Errors
/// 400 for a place that is not open, or that is none.
pub(crate) async fn resolve(state: &AppState, place: String) -> Result<IngestSource, ApiError> {
    if place.contains("://") {
        return at_address(&state.config.remotes, &place);
    }
    let roots = state.config.ingest_roots.clone();
    let resolved = tokio::task::spawn_blocking(move || roots.resolve(&place))
        .await
        .map_err(ApiError::internal)?;
    resolved.map_err(|error| ApiError::bad_request(error.to_string()))
}

fn at_address(remotes: &Remotes, address: &str) -> Result<IngestSource, ApiError> {
    let scheme = address.split("://").next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("s3") {
        return in_bucket(remotes, address);
    }
    remotes.check_web(address).map_err(refused)?;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    if !is_list(path) {
        return Err(ApiError::bad_request(
            "An http(s) address must be that of a .txt, .csv or .parquet list of files",
        ));
    }
    Ok(IngestSource::RemoteList {
        address: address.to_owned(),
    })
}

/// A part of a bucket, or a list in it; `s3://` may be left out.
///
/// # Errors
/// 400 for a bucket that is not open, or a text that names none.
pub(crate) fn in_bucket(remotes: &Remotes, text: &str) -> Result<IngestSource, ApiError> {
    let path = BucketPath::parse(text).map_err(refused)?;
    remotes.bucket(&path.bucket).map_err(refused)?;
    if is_list(&path.key) {
        return Ok(IngestSource::RemoteList {
            address: path.to_string(),
        });
    }
    Ok(IngestSource::Bucket {
        bucket: path.bucket,
        prefix: path.key,
    })
}

fn is_list(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    LISTS.iter().any(|end| name.ends_with(end))
}

/// Every text of a remote error is for the caller.
fn refused(error: RemoteError) -> ApiError {
    let text = error.to_string();
    let mut letters = text.chars();
    let text = letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    });
    ApiError::bad_request(text)
}

#[cfg(test)]
mod tests {
    use lamina_store::remote::{BucketRule, DEFAULT_REGION, WebRules};

    use super::*;

    fn remotes() -> Remotes {
        let photos = BucketRule {
            name: "photos".to_owned(),
            endpoint: None,
            region: DEFAULT_REGION.to_owned(),
            keys: None,
            path_style: false,
            ca_file: None,
        };
        let web = WebRules {
            hosts: vec!["example.org".to_owned()],
            private: Vec::new(),
        };
        Remotes::new(vec![photos], web).unwrap()
    }

    #[tokio::test]
    async fn folders_and_lists_are_told_apart() {
        for (address, is_a_list) in [
            ("s3://photos/trip/", false),
            ("s3://photos", false),
            ("s3://photos/trip/LIST.CSV", true),
            ("https://example.org/list.txt?signature=x", true),
        ] {
            let found = at_address(&remotes(), address).unwrap();
            assert_eq!(
                matches!(found, IngestSource::RemoteList { .. }),
                is_a_list,
                "{address}"
            );
        }
        assert!(in_bucket(&remotes(), "photos/trip").is_ok());
    }

    #[tokio::test]
    async fn what_is_not_open_is_refused_with_its_reason() {
        for (address, part) in [
            ("s3://others/trip/", "not open"),
            ("https://elsewhere.example/list.txt", "not open"),
            ("https://example.org/a.jpg", "list of files"),
            ("ftp://example.org/list.txt", "is not the address"),
            ("s3:///", "is not the address"),
        ] {
            let refused = at_address(&remotes(), address).unwrap_err();
            assert!(refused.public_text().contains(part), "{address}: {refused}");
        }
    }
}
