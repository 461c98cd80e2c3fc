//! The generation file: what was written is read, anything else is refused.

use lamina_index::{
    DamagedGeneration, ExpectedGeneration, FORMAT_VERSION, FileBytes, Generation, IndexSettings,
    StopFlag,
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
    // The version before had no order of rows.
    let (_, order, ..) = places(&sound).remove(8);
    let mut before = [&sound[..order], &[0; 32]].concat();
    before[8..12].copy_from_slice(&(FORMAT_VERSION - 1).to_le_bytes());
    seal(&mut before);
    let read = Generation::decode(&before, &expected(&generation, &before));
    assert_eq!(read.as_ref(), Ok(&generation));
    // A header that claims more bytes than there are.
    assert!(matches!(
        with(12, &u32::MAX.to_le_bytes()),
        DamagedGeneration::Section {
            section: "header",
            ..
        }
    ));
}

/// Name of each section, where its tag and its contents begin, and their length.
fn places(bytes: &[u8]) -> Vec<(String, usize, usize, usize)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 16 + number(12);
    let mut places = Vec::new();
    while at < bytes.len() - 32 {
        let length = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        let start = (at + 12).next_multiple_of(64);
        let name = String::from_utf8(bytes[at..at + 4].to_vec()).unwrap();
        places.push((name, at, start, length));
        at = start + length;
    }
    places
}

#[test]
fn impossible_contents_under_a_fitting_checksum_are_refused() {
    let generation = sample();
    let sound = generation.encode();
    let places = places(&sound);
    assert_eq!(places.len(), 9);
    let refused = |tag: &str, offset: isize, value: &[u8]| {
        let (_, _, start, _) = places.iter().find(|(name, ..)| name == tag).unwrap();
        let mut bytes = sound.clone();
        let place = start.strict_add_signed(offset);
        bytes[place..place + value.len()].copy_from_slice(value);
        seal(&mut bytes);
        match Generation::decode(&bytes, &expected(&generation, &bytes)) {
            Err(DamagedGeneration::Section { problem, .. }) => problem,
            other => panic!("{tag} at {offset}: {other:?}"),
        }
    };
    for (tag, at, start, length) in &places {
        let back = *at as isize - *start as isize;
        assert_eq!(refused(tag, back, b"ELSE"), "missing");
        // Lying lengths: nothing is allocated for them.
        assert_eq!(
            refused(tag, back + 4, &u64::MAX.to_le_bytes()),
            "longer than the file"
        );
        refused(tag, back + 4, &(*length as u64 + 12).to_le_bytes());
        if *length > 0 {
            refused(tag, back + 4, &(*length as u64 - 4).to_le_bytes());
        }
        if back < -12 {
            assert_eq!(refused(tag, -1, &[1]), "bytes between sections");
        }
    }
    let nan = f32::NAN.to_le_bytes();
    let beyond = 150u32.to_le_bytes();
    assert_eq!(refused("VECS", 0, &[0xff, 0x7f]), "not unit vectors");
    assert_eq!(refused("VECS", 0, &[0; 48]), "not unit vectors");
    assert_eq!(refused("NEAR", 0, &beyond), "an ordinal beyond the last");
    assert_eq!(refused("NEAR", 4, &nan), "a distance outside 0 to 2");
    assert_eq!(refused("NEAR", 4, &2.0f32.to_le_bytes()), "not ascending");
    assert_eq!(
        refused("NEAR", 0, &0u32.to_le_bytes()),
        "an item is its own neighbour"
    );
    assert_eq!(
        refused("LEVL", 0, &1u32.to_le_bytes()),
        "a cluster is not named by its lowest member"
    );
    assert_eq!(refused("LEVL", 0, &beyond), "an ordinal beyond the last");
    // Items 3 and 7 are copies: taking them apart at the coarsest level only breaks the nesting.
    assert_eq!(
        refused("LEVL", (4 * 150 + 7) * 4, &7u32.to_le_bytes()),
        "levels are not nested"
    );
    assert_eq!(refused("DUPL", 0, &beyond), "an ordinal beyond the last");
    assert_eq!(
        refused("DUPL", 8, &(-0.5f32).to_le_bytes()),
        "a distance outside 0 to 2"
    );
    for tag in ["UNIQ", "OUTL", "DUPC"] {
        assert_eq!(refused(tag, 0, &nan), "a score outside 0 to 1");
        assert_eq!(
            refused(tag, 0, &1.5f32.to_le_bytes()),
            "a score outside 0 to 1"
        );
    }
}

/// A generation above its exact limit, so that it has a graph; two rows are copies.
fn sample_with_graph() -> Generation {
    let mut rows = blobs(36, 400, 8, 24, 0.6);
    rows[7] = rows[3].clone();
    let settings = IndexSettings {
        exact_limit: 100,
        ..settings()
    };
    generation(&rows, &settings)
}

#[test]
fn a_graph_that_leads_astray_is_refused_under_a_fitting_checksum() {
    let generation = sample_with_graph();
    let sound = generation.encode();
    let (_, _, start, length) = places(&sound).remove(1);
    let number = |at: usize| u32::from_le_bytes(sound[at..at + 4].try_into().unwrap()) as usize;
    let (layers, ground) = (number(start + 4), start + 64);
    let refused = |place: usize, value: u32| {
        let mut bytes = sound.clone();
        bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
        seal(&mut bytes);
        match Generation::decode(&bytes, &expected(&generation, &bytes)) {
            Err(DamagedGeneration::Section {
                section: "graph",
                problem,
            }) => problem,
            other => panic!("{value} at {place}: {other:?}"),
        }
    };
    assert_eq!(refused(start, 400), "an entry beyond the last row");
    assert_eq!(refused(start + 4, 33), "impossible sizes");
    assert_eq!(refused(start + 4, layers as u32 + 1), "impossible sizes");
    for count in [8, 12, 16] {
        assert_eq!(refused(start + count, u32::MAX), "impossible sizes");
        assert_eq!(
            refused(start + count, number(start + count) as u32 + 1),
            "wrong length"
        );
    }
    assert_eq!(refused(ground, 400), "a link beyond the last row");
    assert_eq!(refused(ground, u32::MAX), "a link beyond the last row");
    let layer = ground + 400 * 128;
    assert_eq!(refused(layer, 399), "points of a layer are out of order");
    let points = number(start + 16);
    assert_eq!(
        refused(layer + 4 * points, points as u32),
        "a link beyond the last point of a layer"
    );
    // Each row lies somewhere once.
    let (_, _, order, _) = places(&sound).remove(8);
    let first = u32::from_le_bytes(sound[order..order + 4].try_into().unwrap());
    for wrong in [(first + 1) % 400, 400, u32::MAX] {
        let mut bytes = sound.clone();
        bytes[order..order + 4].copy_from_slice(&wrong.to_le_bytes());
        seal(&mut bytes);
        assert_eq!(
            Generation::decode(&bytes, &expected(&generation, &bytes)),
            Err(DamagedGeneration::Section {
                section: "order",
                problem: "not every row lies somewhere once"
            })
        );
    }
    // The pair of twins ends the section.
    assert_eq!(
        refused(start + length - 4, 400),
        "an ordinal beyond the last"
    );
    assert_eq!(
        refused(start + length - 4, 3),
        "rows are twins of one another"
    );
}

#[test]
fn every_damage_of_a_file_with_a_graph_is_detected_and_a_sound_one_is_used_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generation");
    let generation = sample_with_graph();
    let sound = generation.encode();
    let expected = expected(&generation, &sound);
    let open = |bytes: &[u8]| {
        // A new file each time, as the blob store makes them.
        fs_err::remove_file(&path).ok();
        fs_err::write(&path, bytes).unwrap();
        let file = std::sync::Arc::new(FileBytes::open_above(&path, 0).unwrap());
        Generation::load(&file, &expected)
    };
    let read = open(&sound).unwrap();
    assert_eq!(read, generation);
    // Vectors and links lie in the file: only lists that are derived from them take memory.
    assert!(read.bytes_in_memory() + 400 * 150 < generation.bytes_in_memory());
    let query = generation.vectors.unit_row(11);
    let search = |generation: &Generation| {
        let index = generation.index();
        assert!(format!("{index:?}").starts_with("FrozenIndex"));
        index.search(&query, 9, None, &StopFlag::new()).unwrap()
    };
    assert_eq!(search(&read), search(&generation));
    fs_err::remove_file(&path).unwrap();
    assert_eq!(search(&read), search(&generation));

    let mut random = Random::new(37);
    let mut damaged: Vec<Vec<u8>> = (0..60)
        .map(|cut| sound[..sound.len() * cut / 60].to_vec())
        .collect();
    for _ in 0..200 {
        let mut bytes = sound.clone();
        bytes[random.below(sound.len())] ^= 1 << random.below(8);
        damaged.push(bytes);
    }
    damaged.push(sample().encode());
    for (number, bytes) in damaged.iter().enumerate() {
        assert!(
            open(bytes).is_err(),
            "damage {number} of {} bytes",
            bytes.len()
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
