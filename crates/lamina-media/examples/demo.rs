//! Writes the demo dataset into a folder, to look at: `cargo run --example demo -- FOLDER`.

use lamina_media::demo;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder")?;
    fs_err::create_dir_all(&folder)?;
    for picture in demo::pictures() {
        fs_err::write(
            std::path::Path::new(&folder).join(&picture.file_name),
            picture.bytes()?,
        )?;
    }
    Ok(())
}
