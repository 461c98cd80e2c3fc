//! Buckets and hosts that files may be read from, from the configuration.

use anyhow::Context as _;
use lamina_store::remote::{
    BucketKeys, BucketRule, DEFAULT_REGION, Remotes, WebRules, read_rules, read_secret,
};

use crate::config::SourceOptions;

/// Reads the rules and checks them.
///
/// # Errors
/// Says what is wrong with which setting, never a key.
pub fn open(options: &SourceOptions) -> anyhow::Result<Remotes> {
    let mut buckets = Vec::new();
    if let Some(path) = &options.buckets_file {
        buckets = read_rules(path)?;
    }
    let keys = keys(options)?;
    for name in &options.s3_buckets {
        buckets.push(BucketRule {
            name: name.clone(),
            endpoint: options.s3_endpoint.clone(),
            region: region(options),
            keys: keys.clone(),
            path_style: options.s3_path_style,
            ca_file: options.s3_ca_file.clone(),
        });
    }
    let web = WebRules {
        hosts: options.web_sources.clone(),
        private: options.private_sources.clone(),
    };
    if buckets.is_empty() && web.hosts.is_empty() {
        return Ok(Remotes::default());
    }
    Remotes::new(buckets, web).context("the sources elsewhere are not configured well")
}

fn region(options: &SourceOptions) -> String {
    let region = &options.s3_region;
    if region.is_empty() {
        DEFAULT_REGION.to_owned()
    } else {
        region.clone()
    }
}

fn keys(options: &SourceOptions) -> anyhow::Result<Option<BucketKeys>> {
    match (
        &options.s3_access_key_id,
        &options.s3_secret_access_key_file,
    ) {
        (Some(id), Some(file)) => Ok(Some(BucketKeys {
            access_key_id: id.clone(),
            secret_access_key: read_secret(file)?,
            session_token: None,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            anyhow::bail!("LAMINA_S3_ACCESS_KEY_ID needs LAMINA_S3_SECRET_ACCESS_KEY_FILE")
        }
        (None, Some(_)) => {
            anyhow::bail!("LAMINA_S3_SECRET_ACCESS_KEY_FILE needs LAMINA_S3_ACCESS_KEY_ID")
        }
    }
}
