//! The loaded ONNX Runtime library and the device that its sessions run on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::AutoDevicePolicy;
use ort::value::TensorRef;

use crate::device::{Device, DeviceChoice};
use crate::elf::{Unusable, inspect};
use crate::error::InferenceError;
use crate::package::GraphBytes;
use crate::session::SessionError;

/// The library does not load, or the device does not work.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The file cannot be the library.
    #[error("{} {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Unusable,
    },
    /// The loader refused it, or its version is too old.
    #[error("ONNX Runtime cannot be loaded")]
    Load(#[source] ort::LoadDynamicError),
    /// A process can load one library only.
    #[error("ONNX Runtime was already loaded from {}, it cannot be loaded again from {}", loaded.display(), wanted.display())]
    AlreadyLoaded {
        /// The first one.
        loaded: PathBuf,
        /// The other one.
        wanted: PathBuf,
    },
    /// The library could not set itself up.
    #[error("ONNX Runtime cannot be set up")]
    Environment(#[source] ort::Error),
    /// The device that the configuration asks for does not work.
    #[error("device {device} was asked for and does not work with the ONNX Runtime library {}", library.display())]
    Device {
        /// As configured.
        device: String,
        /// The library in use: the build for CPUs has no CUDA.
        library: PathBuf,
        /// Why.
        #[source]
        source: ProbeError,
    },
}

/// Why a trial session failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No session on this device.
    #[error("no session: {0}")]
    Session(ort::Error),
    /// A session that computes nonsense.
    #[error("the trial graph gave a wrong result")]
    WrongResult,
}

/// One convolution: 4x4 ones in, 2x2 nines out. Written by `tests/golden/tiny-dual-encoder/make.py`.
const PROBE: &[u8] = include_bytes!("probe.onnx");

/// The library of this process. Never released: sessions and threads of the library would otherwise have to end in a certain order at
/// the end of the process, and `ort` cannot load a second one anyway.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, loaded, with a device that was proven to work.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
    version: String,
    device: Device,
    why: String,
}

impl Runtime {
    /// Loads the library (once per process; the same path again is fine) and tries the device with a real session: a small convolution
    /// that must run on it entirely and give the right numbers. Blocks for 30 ms to some seconds.
    ///
    /// # Errors
    /// The library cannot be used, or the device was asked for by name and does not work. `auto` never fails for the device's sake.
    pub fn load(path: &Path, choice: DeviceChoice) -> Result<Arc<Self>, InferenceError> {
        let (environment, version) = load_library(path)?;
        let (device, why) = match &choice {
            DeviceChoice::Cpu => (Device::Cpu, "as configured".to_owned()),
            DeviceChoice::Cuda(ids) if ids.is_empty() => {
                (Device::Cuda(vec![0]), "as configured".to_owned())
            }
            DeviceChoice::Cuda(ids) => (Device::Cuda(ids.clone()), "as configured".to_owned()),
            DeviceChoice::TensorRt => (Device::TensorRt, "as configured".to_owned()),
            DeviceChoice::Auto => match probe(&environment, &Device::Cuda(vec![0])) {
                Ok(()) => (
                    Device::Cuda(vec![0]),
                    "auto; a CUDA session works".to_owned(),
                ),
                Err(error) => (
                    Device::Cpu,
                    format!("auto; CUDA unavailable: {}", first_line(&error)),
                ),
            },
        };
        probe(&environment, &device).map_err(|source| RuntimeError::Device {
            device: choice.to_string(),
            library: path.to_owned(),
            source,
        })?;
        tracing::info!(
            inference.device = %device,
            inference.runtime_version = version,
            inference.library = %path.display(),
            "inference: device={device} ({why}), ONNX Runtime {version}"
        );
        Ok(Arc::new(Self {
            environment,
            library: path.to_owned(),
            version,
            device,
            why,
        }))
    }

    /// Version of the library: `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The loaded file.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// The device on which a real session ran when the library was loaded.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Why that device, for people.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// A session of a graph on the device, or on the `index`-th of several. Fails where the device does not take it; never falls back
    /// to the CPU as a whole.
    pub(crate) fn session(
        &self,
        graph: &GraphBytes,
        threads: usize,
        index: usize,
    ) -> Result<Session, SessionError> {
        let build = || -> ort::Result<Session> {
            let mut builder = Session::builder(&self.environment)?
                .with_execution_providers(providers(&self.device, index))?
                .with_intra_threads(threads)?
                // With one thread nobody waits, and a session for each core is how all of them are used. Who gives a run more
                // threads wants it to end soon: threads that sleep between the operators of a small graph cost 0.6 to 0.85 of
                // the throughput.
                .with_intra_op_spinning(threads > 1)?;
            if !self.device.is_gpu() {
                // A library that knows of accelerators by itself would prefer one of them to the CPU that was chosen.
                builder = builder.with_auto_device(AutoDevicePolicy::PreferCPU)?;
            }
            for (name, bytes) in &graph.external {
                builder =
                    builder.with_external_initializer_file_in_memory(name, Arc::clone(bytes))?;
            }
            builder.commit_from_memory(&graph.model)
        };
        build().map_err(SessionError::Load)
    }
}

/// Loads the library, or gives back the one that is loaded already.
fn load_library(path: &Path) -> Result<(Environment, String), RuntimeError> {
    let version = inspect(path).map_err(|reason| RuntimeError::Unusable {
        path: path.to_owned(),
        reason,
    })?;
    let version = version.map_or_else(
        || "of an unknown version".to_owned(),
        |(major, minor, patch)| format!("{major}.{minor}.{patch}"),
    );
    // Two names of one file are the same library.
    let real = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((first, environment)) = loaded.as_ref() {
        if *first != real {
            return Err(RuntimeError::AlreadyLoaded {
                loaded: first.clone(),
                wanted: real,
            });
        }
        return Ok((environment.clone(), version));
    }
    let environment = ort::init_from(&real)
        .map_err(RuntimeError::Load)?
        .with_name("lamina")
        .with_telemetry(false)
        .build()
        .map_err(RuntimeError::Environment)?;
    // Below warnings the library reports every pass over every graph.
    environment.set_log_level(ort::logging::LogLevel::Warning);
    *loaded = Some((real, environment.clone()));
    Ok((environment, version))
}

/// The execution providers of a session; a provider that cannot be had is an error, for the silent alternative is the CPU.
fn providers(device: &Device, index: usize) -> Vec<ExecutionProviderDispatch> {
    match device {
        Device::Cpu => vec![
            ep::CPU::default()
                .with_arena_allocator(true)
                .build()
                .error_on_failure(),
        ],
        Device::Cuda(ids) => vec![cuda(ids.get(index).copied().unwrap_or_default())],
        Device::TensorRt => vec![ep::TensorRT::default().build().error_on_failure(), cuda(0)],
    }
}

fn cuda(id: u32) -> ExecutionProviderDispatch {
    ep::CUDA::default()
        .with_device_id(id.cast_signed())
        // Batch shapes are few, so growing by what is asked for keeps the arena near what is needed.
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
        // The exhaustive search tries every algorithm for every new shape: seconds for the first batch of each size.
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        .build()
        .error_on_failure()
}

/// Runs the trial graph on every part of a device.
fn probe(environment: &Environment, device: &Device) -> Result<(), ProbeError> {
    for index in 0..device.sessions() {
        let build = || -> ort::Result<Session> {
            let mut builder = Session::builder(environment)?
                .with_execution_providers(providers(device, index))?
                .with_intra_threads(1)?;
            if device.is_gpu() {
                // Without this the session would be there, and the work on the CPU.
                builder = builder.with_disable_cpu_fallback()?;
            }
            builder.commit_from_memory(PROBE)
        };
        let mut session = build().map_err(ProbeError::Session)?;
        let ones = [1.0_f32; 16];
        let input = TensorRef::from_array_view(([1_usize, 1, 4, 4], &ones[..]))
            .map_err(ProbeError::Session)?;
        let outputs = session
            .run(ort::inputs!["x" => input])
            .map_err(ProbeError::Session)?;
        let output = outputs.get("y").ok_or(ProbeError::WrongResult)?;
        let (_, values) = output
            .try_extract_tensor::<f32>()
            .map_err(ProbeError::Session)?;
        if values.len() != 4 || values.iter().any(|value| (value - 9.0).abs() > 0.01) {
            return Err(ProbeError::WrongResult);
        }
    }
    Ok(())
}

/// Messages of the library run over many lines; the first says it.
fn first_line(error: &ProbeError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
