//! Milliseconds per stage for picture files, the least of several rounds: `cargo run --release --example stages -- [FILE..]`
//! Without files, a drawn JPEG of 640 x 480.

#![expect(clippy::print_stdout, reason = "printing is what this is for")]

use std::hint::black_box;
use std::time::Instant;

use lamina_media::{
    DecodeLimits, InputSpec, ResizeFilter, ResizeMode, content_hash, decode, decode_at_least, demo,
    measure, model_input, thumbnail,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for name in std::env::args().skip(1) {
        files.push((name.clone(), fs_err::read(&name)?));
    }
    if files.is_empty() {
        let picture = demo::textures::leaves(7, 640, 480);
        files.push((
            "640 x 480, quality 90".to_owned(),
            demo::encode_jpeg(&picture, 90)?,
        ));
    }
    let limits = DecodeLimits::default();
    let spec = InputSpec::new(
        224,
        ResizeMode::ShortestEdgeCrop,
        ResizeFilter::Bilinear,
        [0.5; 3],
        [0.5; 3],
    );
    for (name, bytes) in &files {
        let picture = decode(bytes, &limits).map_err(|rejection| rejection.to_string())?;
        println!("{name}: {picture:?}, {} bytes", bytes.len());
        let mut total = 0.0;
        let mut stage = |label: &str, is_counted: bool, work: &dyn Fn()| {
            let took = least(work);
            total += if is_counted { took } else { 0.0 };
            println!("  {label:22} {took:7.3} ms");
        };
        stage("hash", true, &|| {
            black_box(content_hash(bytes));
        });
        stage("decode", true, &|| drop(black_box(decode(bytes, &limits))));
        stage("decode at least 224", false, &|| {
            drop(black_box(decode_at_least(bytes, &limits, 224)))
        });
        stage("thumbnail", true, &|| drop(black_box(thumbnail(&picture))));
        stage("measure", true, &|| {
            black_box(measure(&picture));
        });
        stage("model input 224", true, &|| {
            drop(black_box(model_input(&picture, &spec)))
        });
        println!(
            "  {:22} {total:7.3} ms; thumbnail of {} bytes",
            "all",
            thumbnail(&picture)?.len()
        );
    }
    Ok(())
}

/// Milliseconds, the least of 61 rounds: what the work takes when nothing else runs.
fn least(work: &dyn Fn()) -> f64 {
    let rounds = (0..61).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    });
    rounds.fold(f64::MAX, f64::min)
}
