//! Embedded colour profiles to sRGB.

use std::sync::{Arc, Mutex, PoisonError};

use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};

/// A profile larger than this is not a camera's or a screen's.
const LARGEST_PROFILE_BYTES: usize = 4 << 20;

/// Profiles up to this size are remembered with their conversion. Making one takes longer than decoding a small picture,
/// and whole collections share a few profiles of 0.5 to 4 kB.
const LARGEST_KEPT_BYTES: usize = 64 << 10;
const MOST_KEPT: usize = 16;

/// From the colours of a profile to sRGB; `None` where the numbers are to be taken as they are.
type Conversion = Option<Arc<Transform8BitExecutor>>;

/// What has been found out about profiles, the last one at the end. Holds nothing that a result depends on.
static KNOWN: Mutex<Vec<(Vec<u8>, Conversion)>> = Mutex::new(Vec::new());

/// Converts RGB pixels from the colours of `profile` to sRGB, in place.
///
/// Profiles that are damaged, describe other than RGB devices, or mean sRGB anyway leave the pixels as they are: then the
/// numbers are the best guess there is, and it is what most viewers show.
pub(super) fn to_srgb(rgb: &mut [u8], profile: &[u8]) {
    let Some(conversion) = conversion(profile) else {
        return;
    };
    // A stripe at a time, so that a large picture does not need a second buffer of its size.
    let mut stripe = [0; 3 * 1024];
    for pixels in rgb.chunks_mut(stripe.len()) {
        let converted = &mut stripe[..pixels.len()];
        if conversion.transform(pixels, converted).is_err() {
            return;
        }
        pixels.copy_from_slice(converted);
    }
}

fn conversion(profile: &[u8]) -> Conversion {
    if profile.len() > LARGEST_KEPT_BYTES {
        return make_conversion(profile);
    }
    // Nothing panics while it is locked, and there is no half-done state if it did.
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, conversion)) = known.iter().find(|(bytes, _)| bytes == profile) {
        return conversion.clone();
    }
    drop(known);
    let conversion = make_conversion(profile);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_KEPT {
        known.remove(0);
    }
    known.push((profile.to_vec(), conversion.clone()));
    conversion
}

fn make_conversion(profile: &[u8]) -> Conversion {
    if profile.len() > LARGEST_PROFILE_BYTES {
        return None;
    }
    let source = ColorProfile::new_from_slice(profile).ok()?;
    if source.color_space != DataColorSpace::Rgb {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let transform = source
        .create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
        .ok()?;
    let probe = probe_colours();
    let mut shown = vec![0; probe.len()];
    transform.transform(&probe, &mut shown).ok()?;
    (!is_close(&probe, &shown)).then_some(transform)
}

/// Colours all over the cube: every mixture of six levels.
fn probe_colours() -> Vec<u8> {
    let levels = || (0..6_u8).map(|step| step * 51);
    levels()
        .flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b])))
        .collect()
}

/// Whether no value differs by more than a profile's own rounding: then conversion would only cost time.
fn is_close(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(*b) <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_colours_become_stronger_and_srgb_stays() {
        let original = [200, 60, 60, 128, 128, 128, 60, 190, 70];
        let mut pixels = original;
        to_srgb(
            &mut pixels,
            &ColorProfile::new_display_p3().encode().unwrap(),
        );
        assert!(pixels[0] > 205 && pixels[1] < 55, "{pixels:?}");
        assert!(
            pixels[3..6].iter().all(|value| value.abs_diff(128) <= 1),
            "{pixels:?}"
        );
        let mut same = original;
        to_srgb(&mut same, &ColorProfile::new_srgb().encode().unwrap());
        assert_eq!(same, original);
    }

    #[test]
    fn rubbish_changes_nothing_and_the_memory_is_bounded() {
        let mut pixels = [1, 2, 3];
        for length in 0..MOST_KEPT as u8 * 3 {
            to_srgb(&mut pixels, &vec![length; usize::from(length)]);
        }
        assert_eq!(pixels, [1, 2, 3]);
        assert!(KNOWN.lock().unwrap().len() <= MOST_KEPT);
    }
}
