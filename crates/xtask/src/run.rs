//! `make run`: build, and become Lamina.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    programs::{self, Failure},
    setup::{self, Purpose},
    workspace::Workspace,
};

const DEFAULT_PORT: u16 = 2080;

/// What the user asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RunOptions {
    photos: Option<PathBuf>,
    port: Option<u16>,
    data_dir: Option<PathBuf>,
}

impl RunOptions {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest
                .next()
                .ok_or_else(|| Failure::new(format!("{name} needs a value")))?;
            match name.as_str() {
                "--photos" => options.photos = Some(value.into()),
                "--port" => {
                    let port = value
                        .parse()
                        .map_err(|_| Failure::new(format!("{value} is no port number")))?;
                    options.port = Some(port);
                }
                "--data-dir" => options.data_dir = Some(value.into()),
                _ => return Err(Failure::new(format!("run does not know {name}"))),
            }
        }
        Ok(options)
    }
}

/// Replaces this process by Lamina, so that Ctrl-C reaches it and its exit code is ours.
pub(crate) fn run(workspace: &Workspace, options: &RunOptions) -> Result<(), Failure> {
    let port = options.port.unwrap_or(DEFAULT_PORT);
    let data_dir = options
        .data_dir
        .clone()
        .unwrap_or_else(|| workspace.root.join(".data"));
    // Before the build, which takes minutes.
    let photos = options.photos.as_deref().map(existing_photos).transpose()?;
    require_free(port, &data_dir)?;
    let ready = setup::setup(workspace, Purpose::Serving)?;
    println!("building      in release mode; the first time takes minutes");
    programs::run(&mut workspace.cargo(&["build", "--release", "--package", "lamina-server"]))?;

    let mut lamina = Command::new(workspace.target()?.join("release/lamina"));
    lamina
        .arg("serve")
        .arg("--data-dir")
        .arg(&data_dir)
        .args(["--listen", &format!("127.0.0.1:{port}"), "--quick-start"])
        .current_dir(&workspace.root);
    if let Some(photos) = photos {
        lamina.arg("--photos").arg(photos);
    }
    ready.describe_to(&mut lamina);
    let error = lamina.exec();
    Err(Failure::new(format!(
        "{} cannot be started: {error}",
        lamina.get_program().to_string_lossy()
    )))
}

fn existing_photos(folder: &Path) -> Result<PathBuf, Failure> {
    let folder = fs_err::canonicalize(folder)?;
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(Failure::new(format!(
            "{} is not a folder",
            folder.display()
        )))
    }
}

/// Says now what would otherwise come up after the build.
fn require_free(port: u16, data_dir: &Path) -> Result<(), Failure> {
    if let Some(pid) = lamina_postgres::current_owner(data_dir) {
        return Err(Failure::new(format!(
            "Lamina is already running on {} (process {pid}). It answers where that one said; stop it with `kill {pid}`.",
            data_dir.display()
        )));
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Failure::new(format!(
            "another program uses port {port} of this machine. Stop it, or choose another port: make run PORT={}",
            port.wrapping_add(1).max(1024)
        ))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<RunOptions, Failure> {
        RunOptions::parse(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn options_are_read() {
        let wanted = RunOptions {
            photos: Some("/p".into()),
            port: Some(2081),
            data_dir: None,
        };
        assert_eq!(
            parse(&["--photos", "/p", "--port", "2081"]).unwrap(),
            wanted
        );
        assert!(parse(&["--port", "many"]).is_err());
        assert!(parse(&["--photos"]).is_err());
        assert!(parse(&["--fast", "yes"]).is_err());
    }

    #[test]
    fn a_used_port_is_told_before_anything_is_built() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = require_free(port, Path::new("/nonexistent"))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(&format!("port {port}")) && text.contains("PORT="),
            "{text}"
        );
    }
}
