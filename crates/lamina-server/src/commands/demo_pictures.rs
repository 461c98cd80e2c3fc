//! `lamina demo-pictures`: the demo dataset as files.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::DemoPicturesArgs;
use crate::output;

/// Writes the pictures.
///
/// # Errors
/// The folder cannot be written.
pub fn run(args: &DemoPicturesArgs) -> anyhow::Result<ExitCode> {
    let count = write(&args.folder)?;
    output::line(format_args!(
        "wrote {count} pictures to {}",
        args.folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Draws the demo pictures into a folder; how many.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path) -> anyhow::Result<usize> {
    fs_err::create_dir_all(folder)?;
    let pictures = lamina_media::demo::pictures();
    for picture in &pictures {
        fs_err::write(folder.join(&picture.file_name), picture.bytes()?)?;
    }
    Ok(pictures.len())
}
