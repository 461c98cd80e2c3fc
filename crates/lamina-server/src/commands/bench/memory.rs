//! Memory of this process, as Linux counts it.

use anyhow::Context as _;

/// Written there, this makes the peak what is resident now (proc(5)).
const FORGET_THE_PEAK: &str = "5";

/// Resident now, MB.
///
/// # Errors
/// The machine has no `/proc`.
pub fn resident_mb() -> anyhow::Result<f64> {
    status_mb("VmRSS:")
}

/// The part of what is resident that belongs to mapped files, MB.
///
/// # Errors
/// As [`resident_mb`].
pub fn resident_file_mb() -> anyhow::Result<f64> {
    status_mb("RssFile:")
}

/// The part of what is resident that belongs to no file, MB.
///
/// # Errors
/// As [`resident_mb`].
pub fn resident_own_mb() -> anyhow::Result<f64> {
    status_mb("RssAnon:")
}

/// The most that was resident since the start or [`forget_peak`], MB.
///
/// # Errors
/// As [`resident_mb`].
pub fn peak_mb() -> anyhow::Result<f64> {
    status_mb("VmHWM:")
}

/// Begins to look for a peak anew.
///
/// # Errors
/// As [`resident_mb`].
pub fn forget_peak() -> anyhow::Result<()> {
    Ok(fs_err::write("/proc/self/clear_refs", FORGET_THE_PEAK)?)
}

fn status_mb(name: &str) -> anyhow::Result<f64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .with_context(|| format!("no {name} in /proc/self/status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_and_forgotten() {
        let block = vec![1_u8; 64 << 20];
        assert_eq!(block.iter().filter(|byte| **byte == 1).count(), 64 << 20);
        let with_block = peak_mb().unwrap();
        assert!(with_block >= 64.0);
        drop(block);
        forget_peak().unwrap();
        assert!(peak_mb().unwrap() < with_block - 32.0);
        assert!(resident_own_mb().unwrap() + resident_file_mb().unwrap() > 0.0);
    }
}
