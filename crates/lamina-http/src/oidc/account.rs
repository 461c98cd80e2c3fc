//! Which account somebody of the provider is.

use lamina_store::accounts::{self, Profile};
use lamina_store::users::{self, User};
use lamina_store::{Role, identities, sqlx};

use super::id_token::Person;
use super::provider::OidcConfig;
use crate::ApiError;
use crate::state::AppState;

/// Names that are tried for an account whose own is taken.
const NUMBERED: u32 = 1_000;

/// The account of somebody: the one they had the last time; else the one with their mail address, if the provider vouches for it and
/// nobody else of the provider is that account; else a new one.
///
/// # Errors
/// 403 when there is none and none is to be made, and for accounts that may not enter.
pub(super) async fn enter(
    state: &AppState,
    config: &OidcConfig,
    person: Person,
) -> Result<User, ApiError> {
    let (pool, config) = (state.pool.clone(), config.clone());
    let entered = async move {
        let mut tx = pool.begin().await?;
        identities::lock(&mut tx).await?;
        let user = find_or_make(&mut tx, &config, &person).await?;
        if !user.is_enabled {
            return Err(ApiError::forbidden("Your account may not enter"));
        }
        tx.commit().await?;
        Ok(user)
    };
    state.run(entered).await
}

async fn find_or_make(
    tx: &mut sqlx::PgConnection,
    config: &OidcConfig,
    person: &Person,
) -> Result<User, ApiError> {
    let issuer = &config.issuer;
    let known = identities::user_of(&mut *tx, issuer, &person.subject).await?;
    let had_one = known.is_some();
    if let Some(user) = known.filter(|user| user.deleted_at.is_none()) {
        return Ok(user);
    }
    let address = person.email.as_deref().filter(|it| users::is_address(it));
    let address = address.ok_or_else(|| {
        ApiError::forbidden("The identity provider does not vouch for a mail address of yours")
    })?;
    let there = identities::user_at(&mut *tx, address).await?;
    let user = match there {
        Some(user) if identities::is_known(&mut *tx, issuer, user.id).await? => {
            return Err(ApiError::forbidden(
                "The account with your mail address is somebody else's",
            ));
        }
        Some(user) => user,
        None if had_one => return Err(ApiError::forbidden("Your account has ended")),
        None => {
            let role = config
                .new_users
                .ok_or_else(|| ApiError::forbidden("There is no account with your mail address"))?;
            make(tx, person, address, role).await?
        }
    };
    identities::link(&mut *tx, issuer, &person.subject, user.id).await?;
    Ok(user)
}

async fn make(
    tx: &mut sqlx::PgConnection,
    person: &Person,
    address: &str,
    role: Role,
) -> Result<User, ApiError> {
    let name = free_name(tx, person, address).await?;
    let line = |text: &Option<String>| {
        let text = text.as_deref().map(str::trim).unwrap_or_default();
        let is_line = !text.is_empty() && text.chars().count() <= 255;
        (is_line && !text.contains(char::is_control)).then(|| text.to_owned())
    };
    let profile = Profile {
        first_name: line(&person.first_name),
        last_name: line(&person.last_name),
        email: Some(address.to_owned()),
        password_hash: None,
        is_enabled: true,
    };
    let user = accounts::create(&mut *tx, &name, role, &profile).await?;
    tracing::info!(user.id = %user.id, role = role.as_str(), "made an account for somebody of the identity provider");
    Ok(user)
}

/// The name somebody likes, or their address, with a number if both are taken.
async fn free_name(
    tx: &mut sqlx::PgConnection,
    person: &Person,
    address: &str,
) -> Result<String, ApiError> {
    let liked = person.preferred_name.clone();
    let liked = liked.filter(|name| users::is_name(name));
    for name in liked.into_iter().chain([address.to_owned()]) {
        if users::by_name(&mut *tx, &name).await?.is_none() {
            return Ok(name);
        }
    }
    for number in 2..NUMBERED {
        let name = format!("{address}-{number}");
        if users::is_name(&name) && users::by_name(&mut *tx, &name).await?.is_none() {
            return Ok(name);
        }
    }
    Err(ApiError::conflict("There is no name left for your account"))
}
