//! Which account runs the server, and whether it can reach what it needs.
//!
//! Postgres refuses to run as root. A Lamina that runs as root therefore runs it as an account without rights.

use std::{
    fs::Metadata,
    io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{error::PostgresError, sys};

/// In order of preference: an account of our own shares its rights with nobody else.
const CANDIDATES: [&str; 3] = ["lamina", "postgres", "nobody"];

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// The account of this process.
    Myself { uid: u32 },
    /// Another account; this process is root.
    Other(Account),
}

impl RunAs {
    /// Decides. An existing cluster stays with the account that it belongs to.
    pub(crate) fn choose(existing_cluster: &Path) -> Result<Self, PostgresError> {
        let me = sys::effective_uid();
        let owner = match fs_err::metadata(existing_cluster) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if me != 0 {
            return match owner {
                Some(found) if found.uid() != me => Err(PostgresError::ForeignCluster {
                    path: existing_cluster.to_owned(),
                    owner: found.uid(),
                }),
                Some(_) | None => Ok(Self::Myself { uid: me }),
            };
        }
        let accounts = read_accounts()?;
        if let Some(found) = owner.filter(|found| found.uid() != 0) {
            let named = accounts
                .into_iter()
                .find(|account| account.uid == found.uid());
            return Ok(Self::Other(named.unwrap_or_else(|| Account {
                name: format!("user id {}", found.uid()),
                uid: found.uid(),
                gid: found.gid(),
            })));
        }
        CANDIDATES
            .iter()
            .find_map(|name| {
                accounts
                    .iter()
                    .find(|account| account.name == *name && account.uid != 0)
            })
            .map(|account| Self::Other(account.clone()))
            .ok_or(PostgresError::NoAccount)
    }

    /// The user id that the server runs under.
    pub(crate) fn uid(&self) -> u32 {
        match self {
            Self::Myself { uid } => *uid,
            Self::Other(account) => account.uid,
        }
    }

    /// Makes a program run under this account. std drops root's supplementary groups along with the user id.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other(account) = self {
            command.uid(account.uid).gid(account.gid);
        }
    }

    /// The first directory above `target` that the account cannot pass; `None` when the way is free.
    pub(crate) fn blocked_on_the_way_to(&self, target: &Path) -> io::Result<Option<PathBuf>> {
        let Self::Other(account) = self else {
            return Ok(None);
        };
        let mut ancestors: Vec<&Path> = target.ancestors().skip(1).collect();
        ancestors.reverse();
        for directory in ancestors {
            if !account.may_pass(&fs_err::metadata(directory)?) {
                return Ok(Some(directory.to_owned()));
            }
        }
        Ok(None)
    }

    /// What [`Self::blocked_on_the_way_to`] finds, as an error.
    pub(crate) fn require_way_to(&self, target: &Path) -> Result<(), PostgresError> {
        match (self, self.blocked_on_the_way_to(target)?) {
            (Self::Other(account), Some(blocked)) => Err(PostgresError::Unreachable {
                account: account.name.clone(),
                blocked,
                target: target.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

impl Account {
    /// Whether the mode bits let this account pass a directory. Access lists are not looked at: they are rare, and the
    /// answer then errs towards "no".
    fn may_pass(&self, directory: &Metadata) -> bool {
        let shift = if directory.uid() == self.uid {
            6
        } else if directory.gid() == self.gid {
            3
        } else {
            0
        };
        directory.mode() >> shift & 1 == 1
    }
}

fn read_accounts() -> io::Result<Vec<Account>> {
    Ok(parse_accounts(&fs_err::read_to_string("/etc/passwd")?))
}

fn parse_accounts(passwd: &str) -> Vec<Account> {
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name, uid, gid })
    };
    passwd.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_and_broken_lines_skipped() {
        let accounts = parse_accounts(
            "root:x:0:0:root:/root:/bin/bash\nbroken\nnobody:x:65534:65533:n:/none:/bin/false\n",
        );
        assert_eq!(accounts.len(), 2);
        assert_eq!(
            accounts[1],
            Account {
                name: "nobody".to_owned(),
                uid: 65534,
                gid: 65533
            }
        );
    }

    #[test]
    fn a_private_directory_of_someone_else_blocks_the_way() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a/b");
        fs_err::create_dir_all(&target).unwrap();
        let stranger = RunAs::Other(Account {
            name: "stranger".to_owned(),
            uid: 4_000_000,
            gid: 4_000_000,
        });
        for open in [root.path().to_owned(), root.path().join("a")] {
            fs_err::set_permissions(open, std::fs::Permissions::from_mode(0o711)).unwrap();
        }
        assert_eq!(stranger.blocked_on_the_way_to(&target).unwrap(), None);
        fs_err::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(
            stranger.blocked_on_the_way_to(&target).unwrap().as_deref(),
            Some(root.path())
        );
        assert!(
            stranger
                .require_way_to(&target)
                .unwrap_err()
                .to_string()
                .contains("chmod o+x")
        );
    }
}
