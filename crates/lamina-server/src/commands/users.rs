//! `lamina users`: people and their passwords.

use std::io::BufRead as _;
use std::process::ExitCode;

use anyhow::Context as _;
use lamina_store::accounts::{self, Profile};
use lamina_store::passwords::{self, MAX_BYTES, MIN_CHARACTERS};
use lamina_store::users::{self, User};
use lamina_store::{Role, Secret};

use crate::cli::{UsersAction, UsersArgs};
use crate::home::{Home, Stay};
use crate::output;

/// Runs one of the actions.
///
/// # Errors
/// The database, an unknown user, a name that is taken, a password that is too short.
pub async fn run(args: UsersArgs) -> anyhow::Result<ExitCode> {
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let outcome = act(&home, args.action).await;
    home.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn act(home: &Home, action: UsersAction) -> anyhow::Result<()> {
    match action {
        UsersAction::List => list(home).await,
        UsersAction::Create {
            name,
            role,
            email,
            password,
        } => create(home, &name, role.parse()?, email, password).await,
        UsersAction::Password { name } => {
            let user = home.user(Some(&name)).await?;
            let hash = passwords::hash(&read_password()?)?;
            let mut tx = home.pool.begin().await?;
            accounts::set_password(&mut tx, user.id, &hash).await?;
            tx.commit().await?;
            output::line(format_args!("the password of {name} is set"));
            Ok(())
        }
        UsersAction::Role { name, role } => set_role(home, &name, role.parse()?).await,
        UsersAction::Enable { name } => set_enabled(home, &name, true).await,
        UsersAction::Disable { name } => set_enabled(home, &name, false).await,
        UsersAction::Remove { name } => remove(home, &name).await,
    }
}

async fn list(home: &Home) -> anyhow::Result<()> {
    for user in users::list(&home.pool).await? {
        output::line(describe(&user));
    }
    Ok(())
}

fn describe(user: &User) -> String {
    format!(
        "{:<24} {:<8} {:<9} {}",
        user.name,
        user.role.as_str(),
        if user.is_enabled {
            "enabled"
        } else {
            "disabled"
        },
        user.email.as_deref().unwrap_or_default()
    )
}

async fn create(
    home: &Home,
    name: &str,
    role: Role,
    email: Option<String>,
    with_password: bool,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        users::is_name(name),
        "{name:?} is no name: 3 to 255 characters are needed, and no blanks"
    );
    if let Some(address) = &email {
        anyhow::ensure!(users::is_address(address), "{address:?} is no mail address");
    }
    let password_hash = match with_password {
        true => Some(passwords::hash(&read_password()?)?),
        false => None,
    };
    let profile = Profile {
        email,
        password_hash,
        is_enabled: true,
        ..Profile::default()
    };
    let made = accounts::create(&home.pool, name, role, &profile).await;
    let user = made.with_context(|| format!("{name:?} could not be made"))?;
    output::line(describe(&user));
    Ok(())
}

async fn set_role(home: &Home, name: &str, role: Role) -> anyhow::Result<()> {
    let user = home.user(Some(name)).await?;
    if role != Role::Admin {
        not_the_last_admin(home, &user).await?;
    }
    let heir = home.user(None).await?;
    let mut tx = home.pool.begin().await?;
    let changed = accounts::set_role(&mut tx, user.id, role, heir.id).await?;
    tx.commit().await?;
    output::line(describe(&changed.unwrap_or(user)));
    Ok(())
}

async fn set_enabled(home: &Home, name: &str, is_enabled: bool) -> anyhow::Result<()> {
    let user = home.user(Some(name)).await?;
    if !is_enabled {
        not_the_last_admin(home, &user).await?;
    }
    let changed = accounts::change(&home.pool, user.id, None, Some(is_enabled)).await?;
    output::line(describe(&changed.unwrap_or(user)));
    Ok(())
}

/// Somebody must be left who can let others in.
async fn not_the_last_admin(home: &Home, user: &User) -> anyhow::Result<()> {
    let is_last =
        user.role == Role::Admin && accounts::other_admins(&home.pool, user.id).await? == 0;
    anyhow::ensure!(!is_last, "{:?} is the last admin", user.name);
    Ok(())
}

async fn remove(home: &Home, name: &str) -> anyhow::Result<()> {
    let user = home.user(Some(name)).await?;
    let heir = home.user(None).await?;
    anyhow::ensure!(
        user.id != heir.id,
        "{name:?} is the first admin, who gets the datasets of others"
    );
    let mut tx = home.pool.begin().await?;
    accounts::end(&mut tx, user.id, heir.id).await?;
    tx.commit().await?;
    output::line(format_args!(
        "{name} is removed; datasets went to {}",
        heir.name
    ));
    Ok(())
}

/// The first line of standard input: a password among the arguments would be seen by every process of the machine.
fn read_password() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = Secret::new(line.trim_end_matches(['\r', '\n']).to_owned());
    let length = password.expose().chars().count();
    anyhow::ensure!(
        length >= MIN_CHARACTERS && password.expose().len() <= MAX_BYTES,
        "a password has at least {MIN_CHARACTERS} characters and at most {MAX_BYTES} bytes"
    );
    Ok(password)
}
