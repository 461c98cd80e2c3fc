//! All models of a process: the packages on disk, and those of them that run.
//!
//! A package is verified once (again when one of its files changes), loaded when it is first asked for (callers that come meanwhile
//! wait for that one load), kept while anybody holds a handle, and unloaded when it was idle for long enough. Which slot is bound to
//! which package is decided elsewhere; here packages have names.

mod folders;
mod running;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use folders::{PackageFolders, PackageState};
pub use running::ModelReport;
use running::Running;
pub(crate) use running::{ModelFamily, model_family};

use crate::captioner::Captioner;
use crate::detector::Detector;
use crate::dual_encoder::{DualEncoder, EncoderConfig};
use crate::error::InferenceError;
use crate::image_encoder::ImageEncoder;
use crate::manifest::{Family, ModelManifest};
use crate::package::ModelPackage;
use crate::picture_encoder::PictureEncoder;
use crate::runtime::Runtime;
use crate::tagger::Tagger;
use crate::text_encoder::TextEncoder;

/// What an operator decides about models.
#[derive(Debug, Clone)]
pub struct ModelsOptions {
    /// Folders that hold packages, first match wins.
    pub dirs: Vec<PathBuf>,
    /// Threads and lanes of every model.
    pub encoder: EncoderConfig,
    /// A model that nobody has used for this long is unloaded by [`Models::unload_idle`]; zero keeps all.
    pub idle_unload: Duration,
}

/// The models of this process. A cheap handle.
#[derive(Clone)]
pub struct Models(Arc<Inner>);

struct Inner {
    runtime: Arc<Runtime>,
    options: ModelsOptions,
    folders: PackageFolders,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    by_package: HashMap<String, Seat>,
    is_closed: bool,
}

/// The place of one package.
struct Seat {
    /// Held while it is being loaded.
    gate: Arc<tokio::sync::Mutex<()>>,
    running: Option<Box<dyn Running>>,
    /// When it was last asked for, or last seen in use.
    used: Instant,
}

impl Models {
    /// Nothing is loaded until it is asked for.
    pub fn new(runtime: Arc<Runtime>, options: ModelsOptions) -> Self {
        let folders = PackageFolders::new(options.dirs.clone());
        let seats = Mutex::default();
        Self(Arc::new(Inner {
            runtime,
            options,
            folders,
            seats,
        }))
    }

    /// The library and device that they run on.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.0.runtime
    }

    /// The packages on disk.
    pub fn folders(&self) -> &PackageFolders {
        &self.0.folders
    }

    /// What lies in the folders. Blocks while it hashes what it has not seen before.
    pub fn packages(&self) -> Vec<PackageState> {
        self.0.folders.packages()
    }

    /// Whether a package is there and every file of it is as its manifest says. Blocks while it hashes what it has not seen before.
    pub fn is_usable(&self, package: &str) -> bool {
        matches!(self.0.folders.open(package), Some(Ok(_)))
    }

    /// What a package says about itself, whether or not it runs. Hashes nothing.
    pub fn manifest(&self, package: &str) -> Option<Arc<ModelManifest>> {
        self.0.folders.manifest(package)
    }

    /// The dual encoder of this package. The first call loads it, off the async threads; the handle keeps it loaded.
    ///
    /// Cancel safe: a load that nobody waits for any more ends and stays for the next caller.
    ///
    /// # Errors
    /// No such package, one of another family, one that is not as its manifest says, a model that does not start.
    pub async fn dual_encoder(&self, package: &str) -> Result<DualEncoder, InferenceError> {
        self.model(package).await
    }

    /// The image encoder of this package, as [`Self::dual_encoder`].
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn image_encoder(&self, package: &str) -> Result<ImageEncoder, InferenceError> {
        self.model(package).await
    }

    /// The detector of this package, as [`Self::dual_encoder`].
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn detector(&self, package: &str) -> Result<Detector, InferenceError> {
        self.model(package).await
    }

    /// The text encoder of this package, as [`Self::dual_encoder`].
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn text_encoder(&self, package: &str) -> Result<TextEncoder, InferenceError> {
        self.model(package).await
    }

    /// What makes vectors of pictures in this package, be it a dual encoder or an image encoder.
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn picture_encoder(&self, package: &str) -> Result<PictureEncoder, InferenceError> {
        let family = self.manifest(package).map(|manifest| manifest.family);
        Ok(if family == Some(Family::ImageEncoder) {
            PictureEncoder::Image(self.model(package).await?)
        } else {
            PictureEncoder::Dual(self.model(package).await?)
        })
    }

    /// The captioner of this package, as [`Self::dual_encoder`].
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn captioner(&self, package: &str) -> Result<Captioner, InferenceError> {
        self.model(package).await
    }

    /// The tagger of this package, as [`Self::dual_encoder`].
    ///
    /// # Errors
    /// As [`Self::dual_encoder`].
    pub async fn tagger(&self, package: &str) -> Result<Tagger, InferenceError> {
        self.model(package).await
    }

    /// State of every model that is loaded, by package.
    pub fn reports(&self) -> Vec<ModelReport> {
        let seats = self.seats();
        let running = seats.by_package.values();
        let running = running.filter_map(|seat| seat.running.as_ref());
        let mut reports: Vec<ModelReport> = running.map(|model| model.report()).collect();
        reports.sort_by(|a, b| a.package.cmp(&b.package));
        reports
    }

    /// Unloads the models that nobody holds and nobody has asked for during the idle time before `now`; their names. Called from
    /// time to time: a model that is held is as good as asked for at that moment. Returns before the memory is free.
    pub fn unload_idle(&self, now: Instant) -> Vec<String> {
        let idle = self.0.options.idle_unload;
        let mut unloaded = Vec::new();
        if idle.is_zero() {
            return unloaded;
        }
        let mut old = Vec::new();
        let mut seats = self.seats();
        for (package, seat) in &mut seats.by_package {
            let Some(model) = &seat.running else {
                continue;
            };
            if model.handles() > 1 {
                seat.used = seat.used.max(now);
            } else if now.saturating_duration_since(seat.used) >= idle {
                // Under the lock nobody can get a handle, so this is the last one.
                old.extend(seat.running.take());
                unloaded.push(package.clone());
            }
        }
        drop(seats);
        drop_aside(old);
        unloaded.sort();
        unloaded
    }

    /// Ends every model and refuses to load more; waits for the batches that run.
    pub async fn shutdown(&self) {
        let models: Vec<Box<dyn Running>> = {
            let mut seats = self.seats();
            seats.is_closed = true;
            let all = seats.by_package.values_mut();
            all.filter_map(|seat| seat.running.take()).collect()
        };
        for model in models {
            model.shutdown().await;
        }
    }

    /// The model of a package as the type of its family.
    pub(crate) async fn model<M: ModelFamily>(&self, package: &str) -> Result<M, InferenceError> {
        if let Some(model) = self.running(package)? {
            return Ok(model);
        }
        let turn = self.gate(package).lock_owned().await;
        // Another caller may have loaded it while this one waited.
        if let Some(model) = self.running(package)? {
            return Ok(model);
        }
        let (models, name) = (self.clone(), package.to_owned());
        let loading = tokio::task::spawn_blocking(move || {
            // Held to the end of the load, even if the caller goes away.
            let _turn = turn;
            models.load(&name)
        });
        let model = package.to_owned();
        loading
            .await
            .map_err(|source| InferenceError::Loading { model, source })?
    }

    /// The model, if it runs. One that lost its device or was shut down is forgotten, to be loaded anew.
    fn running<M: ModelFamily>(&self, package: &str) -> Result<Option<M>, InferenceError> {
        let mut seats = self.seats();
        if seats.is_closed {
            let model = package.to_owned();
            return Err(InferenceError::Stopped { model });
        }
        let Some(seat) = seats.by_package.get_mut(package) else {
            return Ok(None);
        };
        let Some(model) = &seat.running else {
            return Ok(None);
        };
        let report = model.report();
        if !report.is_ready() {
            let stopped = seat.running.take();
            drop(seats);
            drop_aside(stopped);
            return Ok(None);
        }
        seat.used = Instant::now();
        let handle = model.as_any().downcast_ref::<M>().cloned();
        let handle = handle.ok_or_else(|| wrong_family::<M>(package, report.family.as_str()))?;
        Ok(Some(handle))
    }

    /// Loads a package and keeps its model.
    fn load<M: ModelFamily>(&self, name: &str) -> Result<M, InferenceError> {
        let package = self.open(name)?;
        let family = package.manifest().family;
        if !M::FAMILIES.contains(&family) {
            return Err(wrong_family::<M>(name, family.as_str()));
        }
        let started = Instant::now();
        let model = M::start(&self.0.runtime, &package, &self.0.options.encoder)?;
        tracing::info!(
            package = name,
            ms = started.elapsed().as_millis() as u64,
            "the model is loaded"
        );
        let mut seats = self.seats();
        if seats.is_closed {
            drop(seats);
            let model = name.to_owned();
            return Err(InferenceError::Stopped { model });
        }
        let seat = seats.seat(name);
        seat.used = Instant::now();
        seat.running = Some(Box::new(model.clone()));
        Ok(model)
    }

    fn open(&self, package: &str) -> Result<Arc<ModelPackage>, InferenceError> {
        let name = || package.to_owned();
        let found = self.0.folders.open(package);
        let found = found.ok_or_else(|| InferenceError::NotInstalled { package: name() })?;
        found.map_err(|source| InferenceError::Unusable {
            package: name(),
            source,
        })
    }

    fn gate(&self, package: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.seats().seat(package).gate)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Each critical section leaves a whole map behind, whatever panics.
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn seat(&mut self, package: &str) -> &mut Seat {
        self.by_package
            .entry(package.to_owned())
            .or_insert_with(|| Seat {
                gate: Arc::default(),
                running: None,
                used: Instant::now(),
            })
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models")
            .field("dirs", &self.0.options.dirs)
            .finish_non_exhaustive()
    }
}

/// Dropping the last handle joins threads, so it happens on one that may wait.
fn drop_aside(models: impl IntoIterator<Item = Box<dyn Running>>) {
    let models: Vec<Box<dyn Running>> = models.into_iter().collect();
    if models.is_empty() {
        return;
    }
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(models))),
        Err(_) => drop(models),
    }
}

fn wrong_family<M: ModelFamily>(package: &str, found: &'static str) -> InferenceError {
    InferenceError::Family {
        model: package.to_owned(),
        found,
        wanted: M::FAMILIES.first().map_or("", |family| family.as_str()),
    }
}
