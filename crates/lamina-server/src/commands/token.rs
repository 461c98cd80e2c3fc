//! `lamina token`: one bearer token on standard output.

use std::process::ExitCode;

use crate::cli::TokenArgs;
use crate::home::{Home, Stay};
use crate::output;

/// Prints a token signed with the user's key.
///
/// # Errors
/// No such user, or no live key.
pub async fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let user = match &args.user {
        Some(name) => home.user(Some(name)).await?,
        None => home.ensure_first_user().await?,
    };
    let (key, secret) = home.live_key(&user).await?;
    let token = lamina_http::issue_token(&key.id, secret.expose(), args.ttl)?;
    home.close().await;
    output::line(token);
    Ok(ExitCode::SUCCESS)
}
