//! The keys file.

use std::os::unix::fs::PermissionsExt;

use lamina_store::{Secret, Secrets, SecretsError};
use lamina_types::UserId;

#[test]
fn the_file_is_made_once_private_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("keys.json");
    let first = Secrets::load_or_create(&path).unwrap();
    assert_eq!(
        fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let user = UserId::new();
    let sealed = first
        .seal(
            &Secret::new("hush".to_owned()),
            "key-0123456789abcdef",
            user,
        )
        .unwrap();
    let second = Secrets::load_or_create(&path).unwrap();
    assert_eq!(
        second
            .open(&sealed, "key-0123456789abcdef", user)
            .unwrap()
            .expose(),
        "hush"
    );
    assert_eq!(
        first.link_keys()[0].as_bytes(),
        second.link_keys()[0].as_bytes()
    );
    assert_eq!(
        fs_err::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn a_secret_opens_only_for_its_key_and_user_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::load_or_create(&folder.path().join("keys.json")).unwrap();
    let user = UserId::new();
    let secret = Secret::new("hush".to_owned());
    let sealed = secrets.seal(&secret, "a", user).unwrap();
    assert_ne!(
        sealed.nonce,
        secrets.seal(&secret, "a", user).unwrap().nonce,
        "a nonce is used once"
    );
    assert!(secrets.open(&sealed, "b", user).is_err());
    assert!(secrets.open(&sealed, "a", UserId::new()).is_err());
    let mut changed = sealed.clone();
    changed.ciphertext[0] ^= 1;
    assert!(matches!(
        secrets.open(&changed, "a", user),
        Err(SecretsError::Tampered)
    ));
    let mut foreign = sealed;
    foreign.master_key_id = "other".to_owned();
    assert!(matches!(
        secrets.open(&foreign, "a", user),
        Err(SecretsError::UnknownMasterKey(_))
    ));
    let shown = format!("{secrets:?} {secret:?} {:?}", secrets.link_keys());
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_file_that_others_can_read_or_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    Secrets::load_or_create(&path).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        Secrets::load_or_create(&path),
        Err(SecretsError::TooOpen { mode: 0o640, .. })
    ));
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for damaged in [
        "",
        "{}",
        "{\"version\":1,\"current\":\"a\",\"master\":{},\"link\":[]}",
    ] {
        fs_err::write(&path, damaged).unwrap();
        assert!(
            matches!(
                Secrets::load_or_create(&path),
                Err(SecretsError::Malformed(_))
            ),
            "{damaged}"
        );
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            damaged,
            "never replaced"
        );
    }
}

#[test]
fn two_starters_agree_on_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| *Secrets::load_or_create(&path).unwrap().link_keys()[0].as_bytes())
            })
            .collect();
        starters
            .into_iter()
            .map(|starter| starter.join().unwrap())
            .collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_sealed_text_opens_for_its_purpose_only_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::load_or_create(&folder.path().join("keys.json")).unwrap();
    let text = Secret::new("state and nonce".to_owned());
    let sealed = secrets.seal_text(&text, "a cookie").unwrap();
    assert!(!sealed.contains("state"));
    assert_ne!(sealed, secrets.seal_text(&text, "a cookie").unwrap());
    let opened = secrets.open_text(&sealed, "a cookie").unwrap();
    assert_eq!(opened.expose(), text.expose());
    assert!(secrets.open_text(&sealed, "another").is_err());
    let elsewhere = Secrets::load_or_create(&folder.path().join("other.json")).unwrap();
    assert!(elsewhere.open_text(&sealed, "a cookie").is_err());
    for end in 0..sealed.len() {
        assert!(secrets.open_text(&sealed[..end], "a cookie").is_err());
    }
    let mut changed = sealed.into_bytes();
    *changed.last_mut().unwrap() ^= 4;
    let changed = String::from_utf8(changed).unwrap();
    assert!(secrets.open_text(&changed, "a cookie").is_err());
    for wrong in ["", ".", "..", "a.b.c", "😀.😀.😀"] {
        assert!(secrets.open_text(wrong, "a cookie").is_err(), "{wrong}");
    }
}
