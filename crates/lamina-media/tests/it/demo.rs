//! The demo dataset is what it says it is.

use std::collections::HashSet;

use lamina_media::demo::{Flaw, pictures};
use lamina_media::{DecodeLimits, content_hash, decode, measure, sniff};

#[test]
fn every_demo_picture_is_readable_and_flawed_as_intended_only() {
    let all = pictures();
    assert!((60..=100).contains(&all.len()), "{}", all.len());
    let names: HashSet<&str> = all
        .iter()
        .map(|picture| picture.file_name.as_str())
        .collect();
    assert_eq!(names.len(), all.len());
    let mut hashes = HashSet::new();
    let mut repeated = 0;
    let mut wrong = Vec::new();
    for picture in &all {
        let bytes = picture.bytes().unwrap();
        repeated += u32::from(!hashes.insert(content_hash(&bytes)));
        let is_png = picture.file_name.ends_with(".png");
        assert_eq!(
            sniff(&bytes).unwrap().as_str(),
            if is_png { "png" } else { "jpeg" }
        );
        let decoded = decode(&bytes, &DecodeLimits::default()).unwrap();
        let longest = decoded.width.max(decoded.height);
        assert!(
            (240..=640).contains(&longest),
            "{}: {longest}",
            picture.file_name
        );
        let measures = measure(&decoded);
        let flags = [
            measures.blur_confidence,
            measures.dark_confidence,
            measures.bright_confidence,
        ]
        .map(|c| c >= 0.5);
        let expected = match picture.flaw {
            None | Some(Flaw::Copy) => [false; 3],
            Some(Flaw::Blurred) => [true, false, false],
            Some(Flaw::Dark) => [false, true, false],
            Some(Flaw::Bright) => [false, false, true],
        };
        if flags != expected {
            wrong.push(format!("{}: {measures:?}", picture.file_name));
        }
    }
    assert_eq!(repeated, 2, "two copies are equal byte for byte");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
