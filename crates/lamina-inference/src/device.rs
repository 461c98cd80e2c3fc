//! Which device was asked for, and which one is really in use.

use std::fmt;
use std::str::FromStr;

/// What the operator wants (`LAMINA_DEVICE`): `auto`, `cpu`, `cuda`, `cuda:0,1` or `tensorrt`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA when a real session works on it, else the CPU, with one log line that says why. Never `TensorRT`: it compiles
    /// every model for minutes at the first start, which nobody should meet without having asked.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// These CUDA devices, one session each; refuses to start when one does not work. Empty means device 0.
    Cuda(Vec<u32>),
    /// `TensorRT` on device 0 with CUDA for what it cannot run; refuses to start when it does not work.
    TensorRt,
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no device: auto, cpu, cuda, cuda:0,1 or tensorrt")]
pub struct DeviceChoiceError(pub String);

impl FromStr for DeviceChoice {
    type Err = DeviceChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || DeviceChoiceError(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(Vec::new())),
            "tensorrt" => Ok(Self::TensorRt),
            other => {
                let list = other.strip_prefix("cuda:").ok_or_else(refuse)?;
                let mut ids = Vec::new();
                for part in list.split(',') {
                    // `parse` alone would take "+1".
                    let is_number =
                        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                    let id = part
                        .parse::<u32>()
                        .ok()
                        .filter(|_| is_number)
                        .ok_or_else(refuse)?;
                    // The providers take a signed 32-bit number.
                    if ids.contains(&id) || i32::try_from(id).is_err() {
                        return Err(refuse());
                    }
                    ids.push(id);
                }
                Ok(Self::Cuda(ids))
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ids) if ids.is_empty() => f.write_str("cuda"),
            Self::Cuda(ids) => Device::Cuda(ids.clone()).fmt(f),
            Self::TensorRt => f.write_str("tensorrt"),
        }
    }
}

/// What a real session ran on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// These CUDA devices; never empty.
    Cuda(Vec<u32>),
    /// `TensorRT` on device 0.
    TensorRt,
}

impl Device {
    /// Whether sessions run on a graphics card: batch shapes are then kept to a few sizes, and a fuller batch costs little.
    pub const fn is_gpu(&self) -> bool {
        match self {
            Self::Cpu => false,
            Self::Cuda(_) | Self::TensorRt => true,
        }
    }

    /// Sessions of one model: one per card.
    pub(crate) fn sessions(&self) -> usize {
        match self {
            Self::Cpu | Self::TensorRt => 1,
            Self::Cuda(ids) => ids.len(),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ids) => {
                f.write_str("cuda:")?;
                for (place, id) in ids.iter().enumerate() {
                    if place > 0 {
                        f.write_str(",")?;
                    }
                    id.fmt(f)?;
                }
                Ok(())
            }
            Self::TensorRt => f.write_str("tensorrt"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_written_alike() {
        for text in ["auto", "cpu", "cuda", "cuda:0", "cuda:1,3", "tensorrt"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda:2,0".parse(), Ok(DeviceChoice::Cuda(vec![2, 0])));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "gpu",
            "CUDA",
            "cuda:",
            "cuda:0,",
            "cuda:0,0",
            "cuda:-1",
            "cuda:+1",
            "cuda:4294967295",
            "cpu:0",
        ] {
            assert_eq!(
                text.parse::<DeviceChoice>(),
                Err(DeviceChoiceError(text.to_owned()))
            );
        }
    }
}
