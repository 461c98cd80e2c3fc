//! Embedded colour profiles to sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// A profile larger than this is not a camera's or a screen's.
const LARGEST_PROFILE_BYTES: usize = 4 << 20;

/// Converts RGB pixels from the colours of `profile` to sRGB, in place.
///
/// Profiles that are damaged, describe other than RGB devices, or mean sRGB anyway leave the pixels as they are: then the
/// numbers are the best guess there is, and it is what most viewers show.
pub(super) fn to_srgb(rgb: &mut [u8], profile: &[u8]) {
    if profile.len() > LARGEST_PROFILE_BYTES {
        return;
    }
    let Ok(source) = ColorProfile::new_from_slice(profile) else {
        return;
    };
    if source.color_space != DataColorSpace::Rgb {
        return;
    }
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) =
        source.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
    else {
        return;
    };
    let probe = probe_colours();
    let mut shown = vec![0; probe.len()];
    if transform.transform(&probe, &mut shown).is_err() || is_close(&probe, &shown) {
        return;
    }
    // A stripe at a time, so that a large picture does not need a second buffer of its size.
    let mut stripe = [0; 3 * 1024];
    for pixels in rgb.chunks_mut(stripe.len()) {
        let converted = &mut stripe[..pixels.len()];
        if transform.transform(pixels, converted).is_err() {
            return;
        }
        pixels.copy_from_slice(converted);
    }
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
