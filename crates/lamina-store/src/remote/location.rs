//! Names of places elsewhere: `s3://bucket/folder/`, `https://host/list.txt`.

use url::Url;

use super::RemoteError;

/// A bucket and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPath {
    /// 3 to 63 lower-case letters, digits, dots and hyphens; other stores allow underscores and capitals too.
    pub bucket: String,
    /// Key or beginning of keys; empty for the whole bucket. Never begins with `/`.
    pub key: String,
}

impl BucketPath {
    /// Reads `s3://bucket/key`, or `bucket/key` without the scheme.
    ///
    /// # Errors
    /// No such form, a name that no bucket can have, a key with control characters or of more than 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let wrong = || RemoteError::BadLocation(text.chars().take(200).collect());
        let scheme = text
            .get(..5)
            .filter(|start| start.eq_ignore_ascii_case("s3://"));
        let rest = match scheme {
            Some(scheme) => &text[scheme.len()..],
            None if text.contains("://") => return Err(wrong()),
            None => text,
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = (3..=63).contains(&bucket.len())
            && bucket
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            && !bucket.starts_with(['.', '-'])
            && !bucket.contains("..");
        let key = key.trim_start_matches('/');
        if !is_name || key.len() > 1_024 || key.chars().any(char::is_control) {
            return Err(wrong());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl std::fmt::Display for BucketPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An `http(s)` address without user name and password, which would end up in logs.
///
/// # Errors
/// Another scheme, no host, credentials in it.
pub fn parse_web(text: &str) -> Result<Url, RemoteError> {
    let wrong = || RemoteError::BadLocation(text.chars().take(200).collect());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong());
    }
    if !is_plain {
        // Not repeated: what is wrong with it is that it holds a secret.
        return Err(RemoteError::BadLocation(
            "an address with a user name".to_owned(),
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_read_with_and_without_scheme() {
        for (text, bucket, key) in [
            ("s3://photos/trip/", "photos", "trip/"),
            ("S3://photos", "photos", ""),
            ("photos/a/b.jpg", "photos", "a/b.jpg"),
            ("s3://my.bucket-1//x", "my.bucket-1", "x"),
        ] {
            let path = BucketPath::parse(text).unwrap();
            assert_eq!((path.bucket.as_str(), path.key.as_str()), (bucket, key));
        }
        for text in [
            "",
            "s3://",
            "s3:///x",
            "s3://ab/",
            "http://photos/x",
            "a b/c",
            "s3://..up/x",
            "s3://bucket/\u{7}",
            "s3://user:pass@host/x",
            "/etc/passwd",
            "gs://photos/x",
        ] {
            assert!(BucketPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn web_addresses_carry_no_credentials() {
        assert!(parse_web("https://example.org/list.txt").is_ok());
        for text in [
            "ftp://example.org/x",
            "https://",
            "example.org/x",
            "file:///etc/passwd",
        ] {
            assert!(parse_web(text).is_err(), "{text}");
        }
        let refused = parse_web("https://ada:hunter2@example.org/x").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
