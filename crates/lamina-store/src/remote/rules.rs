//! Which buckets may be read, where they are and with which keys: the operator's choice, never a caller's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Secret;

/// Keys of a bucket.
#[derive(Debug, Clone)]
pub struct BucketKeys {
    /// Names the key.
    pub access_key_id: String,
    /// Signs with it.
    pub secret_access_key: Secret,
    /// Comes with keys that end by themselves.
    pub session_token: Option<Secret>,
}

/// One bucket, or all that no other rule is about.
#[derive(Debug, Clone)]
pub struct BucketRule {
    /// The bucket; `*` for every other.
    pub name: String,
    /// `https://host:port`; the public one of AWS when absent.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// None for buckets that everybody may read.
    pub keys: Option<BucketKeys>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`.
    pub path_style: bool,
    /// PEM file of an authority to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
}

impl BucketRule {
    /// The endpoint with the bucket in its host where that is the style.
    pub(super) fn endpoint_of(&self, endpoint: &str, bucket: &str) -> Result<String, String> {
        let mut url = url::Url::parse(endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
            .ok_or_else(|| format!("the endpoint {endpoint:?} is no http(s) address"))?;
        if !self.path_style {
            let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
            url.set_host(Some(&host))
                .map_err(|_| format!("{host:?} is no host name: set path_style"))?;
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

/// Why the file of buckets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It, or a file that it names, cannot be read.
    #[error("a file of buckets or keys cannot be read")]
    Io(#[from] std::io::Error),
    /// It is not what is documented. The text of the parser could show a key, so only the place is given.
    #[error("{path} is no file of buckets: see line {line}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 when unknown.
        line: usize,
    },
    /// Half of a pair of keys, or two of the same.
    #[error("bucket {bucket:?}: {reason}")]
    Contradiction {
        /// Which.
        bucket: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Others than the owner may read a file with keys in it.
    #[error("{path} holds keys and may be read by others (mode {mode:o}); run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    bucket: Vec<RuleInFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleInFile {
    name: String,
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    secret_access_key_file: Option<PathBuf>,
    session_token: Option<String>,
    #[serde(default)]
    path_style: bool,
    ca_file: Option<PathBuf>,
}

/// The region that requests are signed for when none is named.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Reads a secret from its file; a line break at the end is not part of it.
///
/// # Errors
/// Unreadable.
pub fn read_secret(path: &Path) -> Result<Secret, RulesError> {
    let text = fs_err::read_to_string(path)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads the rules of a TOML file with tables `[[bucket]]`.
///
/// # Errors
/// See [`RulesError`].
pub fn read_rules(path: &Path) -> Result<Vec<BucketRule>, RulesError> {
    let text = zeroize::Zeroizing::new(fs_err::read_to_string(path)?);
    let file: RulesFile = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        RulesError::Malformed {
            path: path.to_owned(),
            line: before.map_or(0, |before| before.lines().count().max(1)),
        }
    })?;
    if file
        .bucket
        .iter()
        .any(|rule| rule.secret_access_key.is_some())
    {
        let metadata = fs_err::metadata(path)?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(RulesError::TooOpen {
                path: path.to_owned(),
                mode,
            });
        }
    }
    file.bucket.into_iter().map(rule_of).collect()
}

fn rule_of(rule: RuleInFile) -> Result<BucketRule, RulesError> {
    let wrong = |reason| RulesError::Contradiction {
        bucket: rule.name.clone(),
        reason,
    };
    let secret = match (&rule.secret_access_key, &rule.secret_access_key_file) {
        (Some(_), Some(_)) => {
            return Err(wrong(
                "secret_access_key and secret_access_key_file: one is enough",
            ));
        }
        (Some(secret), None) => Some(Secret::new(secret.clone())),
        (None, Some(path)) => Some(read_secret(path)?),
        (None, None) => None,
    };
    let keys = match (rule.access_key_id.clone(), secret) {
        (Some(access_key_id), Some(secret_access_key)) => Some(BucketKeys {
            access_key_id,
            secret_access_key,
            session_token: rule.session_token.clone().map(Secret::new),
        }),
        (None, None) => None,
        (Some(_), None) => return Err(wrong("access_key_id needs its secret_access_key")),
        (None, Some(_)) => return Err(wrong("secret_access_key needs its access_key_id")),
    };
    Ok(BucketRule {
        name: rule.name,
        endpoint: rule.endpoint,
        region: rule.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        keys,
        path_style: rule.path_style,
        ca_file: rule.ca_file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<BucketRule>, RulesError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("buckets.toml");
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        read_rules(&path)
    }

    #[test]
    fn a_file_names_buckets_with_their_keys() {
        let rules = read(
            "[[bucket]]\nname = \"photos\"\nendpoint = \"https://minio.example:9000\"\npath_style = true\n\
             access_key_id = \"id\"\nsecret_access_key = \"hunter2\"\n[[bucket]]\nname = \"*\"\n",
        )
        .unwrap();
        assert_eq!(rules.len(), 2);
        assert!(rules[0].path_style && rules[1].keys.is_none());
        assert_eq!(
            rules[0].endpoint_of("https://h:1/", "photos").unwrap(),
            "https://h:1"
        );
        assert_eq!(
            rules[1].endpoint_of("https://h:1/", "photos").unwrap(),
            "https://photos.h:1"
        );
        assert!(!format!("{rules:?}").contains("hunter2"));
    }

    #[test]
    fn mistakes_are_said_without_the_keys() {
        for text in [
            "[[bucket]]\nname = \"photos\"\nsecret_access_key = \"hunter2\"\n",
            "[[bucket]]\nname = \"photos\"\naccess_key_id = \"id\"\n",
            "[[bucket]]\nname = \"photos\"\nsecret_acess_key = \"hunter2\"\n",
            "[[bucket]\nname = \"hunter2\"\n",
        ] {
            let error = read(text).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_file_with_keys_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("buckets.toml");
        fs_err::write(
            &path,
            "[[bucket]]\nname = \"photos\"\naccess_key_id = \"id\"\nsecret_access_key = \"x\"\n",
        )
        .unwrap();
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .unwrap();
        assert!(matches!(read_rules(&path), Err(RulesError::TooOpen { .. })));
    }
}
