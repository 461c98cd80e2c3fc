//! `lamina keys`: make, list and revoke API keys.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use lamina_store::Role;
use lamina_store::keys::{self, ApiKey, NewKey};
use lamina_store::users::{self, User};
use lamina_types::UserId;

use crate::cli::{KeysAction, KeysArgs};
use crate::home::{Home, Stay};
use crate::output;

/// Runs one of the actions.
///
/// # Errors
/// The database, an unknown key.
pub async fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let outcome = match &args.action {
        KeysAction::Create {
            user,
            role,
            name,
            expires_in,
            json,
        } => {
            create(
                &home,
                user.as_deref(),
                role.parse()?,
                name,
                *expires_in,
                *json,
            )
            .await
        }
        KeysAction::List => list(&home).await,
        KeysAction::Revoke { key } => revoke(&home, key).await,
    };
    home.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn create(
    home: &Home,
    user: Option<&str>,
    role: Role,
    name: &str,
    expires_in: Option<Duration>,
    as_json: bool,
) -> anyhow::Result<()> {
    let owner = match user {
        Some(wanted) => match users::by_name(&home.pool, wanted).await? {
            Some(user) => user,
            None => users::create(&home.pool, UserId::new(), wanted, None, role).await?,
        },
        None => home.ensure_first_user().await?,
    };
    let expires_at = expires_in
        .map(chrono::TimeDelta::from_std)
        .transpose()?
        .map(|life| chrono::Utc::now() + life);
    let new = NewKey {
        name: name.to_owned(),
        expires_at,
        ..NewKey::default()
    };
    let (key, secret) = keys::create(&home.pool, &home.secrets, owner.id, &new).await?;
    if as_json {
        return output::json(&serde_json::json!({
            "user": owner.name, "api_key": key.id, "api_secret": secret.expose(), "expires_at": key.expires_at,
        }));
    }
    output::line(format_args!("user    {}", owner.name));
    output::line(format_args!("key     {}", key.id));
    output::line(format_args!("secret  {}", secret.expose()));
    output::line("The secret is not shown again; it is kept encrypted in the database.");
    Ok(())
}

async fn list(home: &Home) -> anyhow::Result<()> {
    for user in users::list(&home.pool).await? {
        for key in keys::list(&home.pool, user.id).await? {
            output::line(describe(&user, &key));
        }
    }
    Ok(())
}

fn describe(user: &User, key: &ApiKey) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d %H:%M")),
        (None, Some(at)) if at <= chrono::Utc::now() => {
            format!("expired {}", at.format("%Y-%m-%d %H:%M"))
        }
        (None, Some(at)) => format!("expires {}", at.format("%Y-%m-%d %H:%M")),
        (None, None) => "live".to_owned(),
    };
    format!(
        "{:<28} {:<16} {:<8} {:<24} {}",
        key.id,
        user.name,
        user.role.as_str(),
        state,
        key.name
    )
}

async fn revoke(home: &Home, id: &str) -> anyhow::Result<()> {
    for user in users::list(&home.pool).await? {
        if keys::revoke(&home.pool, user.id, id).await? {
            output::line(format_args!("revoked {id}"));
            return Ok(());
        }
    }
    Err(anyhow::anyhow!("there is no live key {id:?}")).context("nothing was revoked")
}
