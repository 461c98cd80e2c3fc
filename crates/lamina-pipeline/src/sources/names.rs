//! Names for people, and the names that are nobody's pictures.

/// What operating systems leave behind in folders, in lower case. Names that begin with a dot are left out anyway.
const LEFT_BY_SYSTEMS: [&[u8]; 7] = [
    b"thumbs.db",
    b"ehthumbs.db",
    b"desktop.ini",
    b"__macosx",
    b"@eadir",
    b"$recycle.bin",
    b"system volume information",
];

/// Whether a file or folder of this name is left out of every listing, unmentioned: hidden (`.DS_Store`, `.git`, the
/// `._x` twins of macOS) or left behind by an operating system.
pub(super) fn is_left_out(name: &[u8]) -> bool {
    name.starts_with(b".")
        || LEFT_BY_SYSTEMS
            .iter()
            .any(|left| name.eq_ignore_ascii_case(left))
}

/// The last part of a path, as shown.
pub(super) fn file_name(path: &[u8]) -> String {
    const MAX_CHARACTERS: usize = 255;
    let name = path
        .rsplit(|b| *b == b'/')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let shown = shown(name, MAX_CHARACTERS);
    if shown.is_empty() {
        "unnamed".to_owned()
    } else {
        shown
    }
}

/// A whole path, as shown.
pub(super) fn uri(path: &[u8]) -> String {
    const MAX_CHARACTERS: usize = 4_096;
    shown(path, MAX_CHARACTERS)
}

/// Valid UTF-8 without control characters (a NUL could not be stored) and without the characters that turn the
/// direction of writing, by which `gpj.exe` is made to look like `exe.jpg`.
fn shown(text: &[u8], max_characters: usize) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| {
            !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .take(max_characters)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_would_break_a_page_or_a_column() {
        for (path, name) in [
            (&b"a/b/c.jpg"[..], "c.jpg"),
            (b"line\nbreak\x00.jpg", "linebreak.jpg"),
            (b"bad\xff.jpg", "bad\u{fffd}.jpg"),
            (b"\x01\x02", "unnamed"),
            (b"folder/", "folder"),
            (b"", "unnamed"),
            ("a\u{202e}gpj.exe".as_bytes(), "agpj.exe"),
            ("\u{85}x".as_bytes(), "x"),
        ] {
            assert_eq!(file_name(path), name, "{path:?}");
        }
        assert_eq!(file_name(&[b'x'; 70_000]).len(), 255);
    }

    #[test]
    fn hidden_and_system_names_are_left_out() {
        for name in [
            &b".DS_Store"[..],
            b"._photo.jpg",
            b"Thumbs.db",
            b"THUMBS.DB",
            b"__MACOSX",
            b"Desktop.ini",
            b".git",
        ] {
            assert!(is_left_out(name), "{name:?}");
        }
        for name in [
            &b"photo.jpg"[..],
            b"thumbs.db.jpg",
            b"a.b",
            b"annotations.json",
        ] {
            assert!(!is_left_out(name), "{name:?}");
        }
    }
}
