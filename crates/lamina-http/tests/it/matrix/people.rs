//! Who calls.

use std::time::Duration;

use lamina_store::{Role, keys, sessions, users};

use crate::app::{TestApp, TestUser};

/// Everybody who might call. Those who may do most come last: what they change is gone for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// No token at all.
    Nobody,
    /// The owner's key, signed with another secret.
    Forger,
    /// A key of the owner's that was revoked.
    Revoked,
    /// A key of a user whose account has ended.
    Deleted,
    /// A key of a user who may not enter.
    Disabled,
    /// Another tenant.
    Stranger,
    /// The admin, who owns none of it.
    Admin,
    /// Has a share for looking, and comes with a session instead of a key.
    Viewer,
    /// May look only, whatever is shared with them.
    Onlooker,
    /// Has a share for changing.
    Editor,
    /// The owner.
    Owner,
}

impl Person {
    pub const ALL: [Self; 11] = [
        Self::Nobody,
        Self::Forger,
        Self::Revoked,
        Self::Deleted,
        Self::Disabled,
        Self::Stranger,
        Self::Admin,
        Self::Viewer,
        Self::Onlooker,
        Self::Editor,
        Self::Owner,
    ];

    /// Whether nothing is shared with them.
    pub fn is_outsider(self) -> bool {
        matches!(self, Self::Nobody | Self::Stranger | Self::Admin) || self.has_bad_token()
    }

    /// Whether they bring a token that is none (any more).
    pub fn has_bad_token(self) -> bool {
        matches!(
            self,
            Self::Forger | Self::Revoked | Self::Deleted | Self::Disabled
        )
    }
}

/// All of them, with their accounts.
pub struct Cast {
    pub owner: TestUser,
    pub viewer: TestUser,
    pub onlooker: TestUser,
    pub editor: TestUser,
    /// Owns what is neither the owner's nor shared.
    pub other_owner: TestUser,
    stranger: TestUser,
    admin: TestUser,
    deleted: TestUser,
    disabled: TestUser,
    revoked: String,
}

impl Cast {
    pub async fn new(app: &TestApp) -> Self {
        let owner = app.user("ada", Role::Editor).await;
        let (deleted, disabled) = (
            app.user("dan", Role::Editor).await,
            app.user("dis", Role::Editor).await,
        );
        users::mark_deleted(&app.pool, deleted.user.id)
            .await
            .unwrap();
        lamina_store::accounts::change(&app.pool, disabled.user.id, None, Some(false))
            .await
            .unwrap();
        let new = keys::NewKey::default();
        let second = keys::create(&app.pool, &app.secrets, owner.user.id, &new);
        let (key, secret) = second.await.unwrap();
        let revoked = token(&key.id, secret.expose());
        keys::revoke(&app.pool, owner.user.id, &key.id)
            .await
            .unwrap();
        let viewer = app.user("vic", Role::Editor).await;
        Self {
            onlooker: app.user("lou", Role::Viewer).await,
            editor: app.user("eve", Role::Editor).await,
            other_owner: app.user("cas", Role::Editor).await,
            stranger: app.user("bob", Role::Editor).await,
            admin: app.user("root", Role::Admin).await,
            owner,
            viewer,
            deleted,
            disabled,
            revoked,
        }
    }

    /// What they send as bearer token. A session is begun for each call: one of them is to sign out.
    pub async fn token_of(&self, app: &TestApp, person: Person) -> Option<String> {
        Some(match person {
            Person::Nobody => return None,
            Person::Forger => token(&self.owner.key, &self.stranger.secret),
            Person::Revoked => self.revoked.clone(),
            Person::Deleted => self.deleted.token(),
            Person::Disabled => self.disabled.token(),
            Person::Stranger => self.stranger.token(),
            Person::Admin => self.admin.token(),
            Person::Viewer => {
                let life = Duration::from_secs(3_600);
                let begun = sessions::begin(&app.pool, self.viewer.user.id, life, None).await;
                begun.unwrap().expose().to_owned()
            }
            Person::Onlooker => self.onlooker.token(),
            Person::Editor => self.editor.token(),
            Person::Owner => self.owner.token(),
        })
    }
}

fn token(key: &str, secret: &str) -> String {
    lamina_http::issue_token(key, secret, Duration::from_secs(600)).unwrap()
}
