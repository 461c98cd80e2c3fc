//! The identity provider of the configuration.

use std::sync::Arc;

use anyhow::Context as _;
use lamina_http::{Oidc, OidcConfig};
use lamina_store::remote::read_secret;

use crate::config::HttpOptions;

/// Reads and checks the settings; connects to nothing. `None` without an issuer.
///
/// # Errors
/// Says what is wrong with which setting, never a secret.
pub fn open(options: &HttpOptions) -> anyhow::Result<Option<Arc<Oidc>>> {
    let settings = &options.oidc;
    let Some(issuer) = settings.oidc_issuer.clone() else {
        let has_rest = settings.oidc_client_id.is_some()
            || settings.oidc_client_secret_file.is_some()
            || settings.oidc_ca_file.is_some();
        anyhow::ensure!(
            !has_rest,
            "LAMINA_OIDC_CLIENT_ID and the settings beside it need LAMINA_OIDC_ISSUER"
        );
        return Ok(None);
    };
    anyhow::ensure!(
        options.auth == "jwt",
        "LAMINA_OIDC_ISSUER needs LAMINA_AUTH=jwt: nobody signs in where everybody is the same user"
    );
    let client_id = settings.oidc_client_id.clone();
    let secret = settings.oidc_client_secret_file.as_deref();
    let config = OidcConfig {
        issuer,
        client_id: client_id.context("LAMINA_OIDC_ISSUER needs LAMINA_OIDC_CLIENT_ID")?,
        client_secret: secret.map(read_secret).transpose()?,
        ca_file: settings.oidc_ca_file.clone(),
        new_users: match settings.oidc_new_users.as_str() {
            "none" => None,
            role => Some(role.parse()?),
        },
    };
    let opened = Oidc::new(config).context("LAMINA_OIDC_* cannot be used")?;
    Ok(Some(Arc::new(opened)))
}
