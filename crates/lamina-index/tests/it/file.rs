//! The generation file: what was written is read, anything else is refused.

use lamina_index::{
    DamagedGeneration, ExpectedGeneration, FORMAT_VERSION, Generation, IndexSettings,
};
use lamina_types::{DatasetId, EntityType, Space};

use crate::samples::{Random, blobs, generation, settings};

fn sample() -> Generation {
    let mut rows = blobs(31, 150, 8, 24, 0.6);
    rows[7] = rows[3].clone();
    generation(&rows, &settings())
}

fn expected(generation: &Generation, bytes: &[u8]) -> ExpectedGeneration {
    ExpectedGeneration {
        header: generation.header.clone(),
        count: generation.vectors.len() as u32,
        checksum: Generation::checksum_of(bytes),
    }
}

/// Gives changed bytes a checksum that fits, as a faulty writer would.
fn seal(bytes: &mut [u8]) {
    let checksum = Generation::checksum_of(bytes);
    let end = bytes.len() - 32;
    bytes[end..].copy_from_slice(&checksum);
}

#[test]
fn what_was_written_is_read() {
    for generation in [
        sample(),
        generation(&blobs(32, 1, 1, 3, 0.1), &settings()),
        generation(
            &blobs(33, 200, 4, 8, 0.3),
            &IndexSettings {
                exact_limit: 50,
                neighbours: 7,
                ..settings()
            },
        ),
    ] {
        let bytes = generation.encode();
        assert_eq!(bytes[bytes.len() - 32..], Generation::checksum_of(&bytes));
        assert_eq!(
            Generation::decode(&bytes, &expected(&generation, &bytes)).unwrap(),
            generation
        );
    }
}

#[test]
fn a_generation_is_one_short_line_in_a_log() {
    assert!(format!("{:?}", sample()).len() < 600);
}

#[test]
fn every_damage_is_detected() {
    let generation = sample();
    let sound = generation.encode();
    let expected = expected(&generation, &sound);
    let mut random = Random::new(34);
    let mut damaged: Vec<Vec<u8>> = vec![Vec::new()];
    damaged.extend((0..60).map(|cut| sound[..sound.len() * cut / 60].to_vec()));
    damaged.extend((1..=20).map(|cut| sound[..sound.len() - cut].to_vec()));
    for _ in 0..300 {
        let mut bytes = sound.clone();
        bytes[random.below(sound.len())] ^= 1 << random.below(8);
        damaged.push(bytes);
    }
    for _ in 0..20 {
        let mut bytes = sound.clone();
        let page = random.below(sound.len() / 4_096) * 4_096;
        bytes[page..page + 4_096].fill(0);
        damaged.push(bytes);
    }
    damaged.push([sound.as_slice(), &[0]].concat());
    damaged.push([&[0], sound.as_slice()].concat());
    damaged.push([sound.as_slice(), sound.as_slice()].concat());
    damaged.push(vec![0; sound.len()]);
    damaged.push(b"not a generation at all, but long enough to look at".to_vec());
    assert!(damaged.len() >= 400);
    for (number, bytes) in damaged.iter().enumerate() {
        assert_ne!(bytes, &sound);
        assert!(
            Generation::decode(bytes, &expected).is_err(),
            "damage {number} of {} bytes",
            bytes.len()
        );
    }
    assert_eq!(
        Generation::decode(&[], &expected),
        Err(DamagedGeneration::TooShort(0))
    );
}

#[test]
fn another_generation_is_refused_even_if_sound() {
    let generation = sample();
    let bytes = generation.encode();
    let right = expected(&generation, &bytes);
    // The row speaks of one file, another lies in its place.
    let mut older = generation.clone();
    older.header.number -= 1;
    let older = older.encode();
    assert_eq!(
        Generation::decode(&older, &right),
        Err(DamagedGeneration::NotThePublished)
    );
    // The row speaks of this very file, but of another meaning.
    let refused = |change: &dyn Fn(&mut ExpectedGeneration)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        match Generation::decode(&bytes, &wrong) {
            Err(DamagedGeneration::Header(what)) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        refused(&|wrong| wrong.header.origin_dataset_id = DatasetId::new()),
        "dataset"
    );
    assert_eq!(
        refused(&|wrong| wrong.header.entity_type = EntityType::Objects),
        "entity type"
    );
    assert_eq!(
        refused(&|wrong| wrong.header.space = Space::CaptionText),
        "vector space"
    );
    assert_eq!(
        refused(&|wrong| wrong.header.key.package.push('2')),
        "model package"
    );
    assert_eq!(
        refused(&|wrong| wrong.header.key.parameters.push('x')),
        "set of parameters"
    );
    assert_eq!(refused(&|wrong| wrong.header.number += 1), "number");
    assert_eq!(refused(&|wrong| wrong.count += 1), "count");
}

#[test]
fn other_versions_and_other_files_are_named() {
    let generation = sample();
    let sound = generation.encode();
    let with = |place: usize, value: &[u8]| {
        let mut bytes = sound.clone();
        bytes[place..place + value.len()].copy_from_slice(value);
        seal(&mut bytes);
        Generation::decode(&bytes, &expected(&generation, &bytes)).unwrap_err()
    };
    assert_eq!(with(0, b"SOMETHNG"), DamagedGeneration::Magic);
    let future = FORMAT_VERSION + 1;
    assert_eq!(
        with(8, &future.to_le_bytes()),
        DamagedGeneration::Version {
            found: future,
            read: FORMAT_VERSION
        }
    );
    // A header that claims more bytes than there are.
    assert!(matches!(
        with(12, &u32::MAX.to_le_bytes()),
        DamagedGeneration::Section {
            section: "header",
            ..
        }
    ));
}

/// Where each section's tag begins.
fn places(bytes: &[u8]) -> Vec<(String, usize, usize)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 16 + number(12);
    let mut places = Vec::new();
    while at < bytes.len() - 32 {
        let length = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        places.push((
            String::from_utf8(bytes[at..at + 4].to_vec()).unwrap(),
            at,
            length,
        ));
        at += 12 + length;
    }
    places
}

#[test]
fn impossible_contents_under_a_fitting_checksum_are_refused() {
    let generation = sample();
    let sound = generation.encode();
    let places = places(&sound);
    assert_eq!(places.len(), 7);
    let refused = |tag: &str, offset: usize, value: &[u8]| {
        let (_, at, _) = places.iter().find(|(name, ..)| name == tag).unwrap();
        let mut bytes = sound.clone();
        bytes[at + offset..at + offset + value.len()].copy_from_slice(value);
        seal(&mut bytes);
        match Generation::decode(&bytes, &expected(&generation, &bytes)) {
            Err(DamagedGeneration::Section { problem, .. }) => problem,
            other => panic!("{tag} at {offset}: {other:?}"),
        }
    };
    for (tag, _, length) in &places {
        assert_eq!(refused(tag, 0, b"ELSE"), "missing");
        // Lying lengths: nothing is allocated for them.
        assert_eq!(
            refused(tag, 4, &u64::MAX.to_le_bytes()),
            "longer than the file"
        );
        refused(tag, 4, &(*length as u64 - 4).to_le_bytes());
        refused(tag, 4, &(*length as u64 + 12).to_le_bytes());
    }
    let nan = f32::NAN.to_le_bytes();
    let beyond = 150u32.to_le_bytes();
    assert_eq!(refused("VECS", 12, &[0xff, 0x7f]), "not unit vectors");
    assert_eq!(refused("VECS", 12, &[0; 48]), "not unit vectors");
    assert_eq!(refused("NEAR", 12, &beyond), "an ordinal beyond the last");
    assert_eq!(refused("NEAR", 16, &nan), "a distance outside 0 to 2");
    assert_eq!(refused("NEAR", 16, &2.0f32.to_le_bytes()), "not ascending");
    assert_eq!(
        refused("NEAR", 12, &0u32.to_le_bytes()),
        "an item is its own neighbour"
    );
    assert_eq!(
        refused("LEVL", 12, &1u32.to_le_bytes()),
        "a cluster is not named by its lowest member"
    );
    assert_eq!(refused("LEVL", 12, &beyond), "an ordinal beyond the last");
    // Items 3 and 7 are copies: taking them apart at the coarsest level only breaks the nesting.
    assert_eq!(
        refused("LEVL", 12 + (4 * 150 + 7) * 4, &7u32.to_le_bytes()),
        "levels are not nested"
    );
    assert_eq!(refused("DUPL", 12, &beyond), "an ordinal beyond the last");
    assert_eq!(
        refused("DUPL", 20, &(-0.5f32).to_le_bytes()),
        "a distance outside 0 to 2"
    );
    for tag in ["UNIQ", "OUTL", "DUPC"] {
        assert_eq!(refused(tag, 12, &nan), "a score outside 0 to 1");
        assert_eq!(
            refused(tag, 12, &1.5f32.to_le_bytes()),
            "a score outside 0 to 1"
        );
    }
}

#[test]
fn no_sealed_nonsense_ends_the_process() {
    let generation = sample();
    let sound = generation.encode();
    let mut random = Random::new(35);
    for _ in 0..3_000 {
        let mut bytes = sound.clone();
        for _ in 0..=random.below(4) {
            // Mostly in the header and around the section lengths, where the traps are.
            let bound = if random.below(2) == 0 {
                200
            } else {
                sound.len() - 32
            };
            bytes[random.below(bound)] = random.next() as u8;
        }
        if random.below(4) == 0 {
            bytes.truncate(48 + random.below(sound.len() - 48));
        }
        seal(&mut bytes);
        if let Ok(read) = Generation::decode(&bytes, &expected(&generation, &bytes)) {
            // What is accepted is usable.
            assert_eq!(read.vectors.len(), 150);
            assert_eq!(read.duplicate_groups(0.96).len(), 150);
        }
    }
}
