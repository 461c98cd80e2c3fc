//! What the name of an archive's entry may look like.

/// The name with `/` between its parts, whichever way its archiver wrote them, and without empty parts and `.`;
/// `None` for a name that an honest archiver never writes: absolute, with a drive, with `..`, with a NUL, or empty.
pub(super) fn inside(name: &str) -> Option<String> {
    let is_separator = |c: char| matches!(c, '/' | '\\');
    let has_drive = {
        let mut start = name.chars();
        matches!((start.next(), start.next()), (Some(letter), Some(':')) if letter.is_ascii_alphabetic())
    };
    if name.starts_with(is_separator) || has_drive || name.contains('\0') {
        return None;
    }
    let mut inside = String::with_capacity(name.len());
    for part in name.split(is_separator) {
        match part {
            "" | "." => {}
            ".." => return None,
            part => {
                if !inside.is_empty() {
                    inside.push('/');
                }
                inside.push_str(part);
            }
        }
    }
    (!inside.is_empty()).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_archive_are_refused() {
        for name in [
            "../x.jpg",
            "a/../x.jpg",
            "a/..",
            "..",
            "/etc/passwd",
            "//host/share",
            "\\x.jpg",
            "\\\\host\\x.jpg",
            "C:\\x.jpg",
            "c:x.jpg",
            "..\\x.jpg",
            "a\\..\\..\\x.jpg",
            "a/..\\x.jpg",
            "x.jpg\0.png",
            "",
            ".",
            "./.",
        ] {
            assert_eq!(inside(name), None, "{name:?}");
        }
    }

    #[test]
    fn honest_names_are_kept_with_one_separator() {
        for (name, kept) in [
            ("a.jpg", "a.jpg"),
            ("./a//b.jpg", "a/b.jpg"),
            ("photos\\a.jpg", "photos/a.jpg"),
            ("..a/b...jpg", "..a/b...jpg"),
            ("äö:ü/猫.jpg", "äö:ü/猫.jpg"),
            ("%2e%2e/x.jpg", "%2e%2e/x.jpg"),
            ("a/C:/x.jpg", "a/C:/x.jpg"),
        ] {
            assert_eq!(inside(name).as_deref(), Some(kept));
        }
    }
}
