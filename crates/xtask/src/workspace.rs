//! Where things are.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::programs::{Failure, output_of};

/// The checkout this program was built from.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = fs_err::canonicalize(&root)?;
        Ok(Self { root })
    }

    /// What set-up fetched.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.root.join(".runtime")
    }

    /// A file with pinned versions or checksums.
    pub(crate) fn pin(&self, name: &str) -> PathBuf {
        self.root.join("crates/xtask/pins").join(name)
    }

    /// A cargo command of this workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        // The cargo that runs us names itself; it is the one whose toolchain and settings the user chose.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> Result<PathBuf, Failure> {
        let metadata =
            output_of(&mut self.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        text_field(&metadata, "target_directory")
            .map(PathBuf::from)
            .ok_or_else(|| Failure::new("cargo metadata names no target directory"))
    }
}

/// The first text field of that name in a JSON text. Good for paths without escapes, which is all it is used for.
fn text_field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_in_cargos_answer() {
        let json = r#"{"packages":[],"target_directory":"/somewhere/target","version":1}"#;
        assert_eq!(
            text_field(json, "target_directory").as_deref(),
            Some("/somewhere/target")
        );
        assert_eq!(text_field(json, "absent"), None);
    }
}
