//! The command line of `lamina models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::{DataOptions, DatabaseOptions, InferenceOptions};

/// `lamina models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// List slots with what answers to them, further packages that are installed, and what the catalog has besides
    List {
        /// Print one JSON object
        #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
        json: bool,
    },
    /// Fetch packages of the catalog from their hub, check every byte and install them; goes on where an earlier pull stopped
    Pull(PullArgs),
    /// Make a package of a local folder in the layout of a hub, say what was assumed, and install it
    Add(AddArgs),
    /// Hash every file of installed packages; exits with 1 when one is not as its manifest says
    Verify {
        /// Packages; all when none is named
        packages: Vec<String>,
    },
    /// Let a package answer to a slot from now on; running jobs and older datasets keep theirs
    Bind(BindArgs),
    /// Measure a package: throughput, latency and memory, and with a labelled folder what its answers are worth
    Bench(BenchArgs),
    /// Remove an installed package that no slot is bound to
    Remove {
        /// The package
        package: String,
        /// Even though datasets were made with it: they can then no longer be searched by text or picture
        #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
        force: bool,
    },
}

/// `lamina models pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Entries of the catalog
    #[arg(required = true)]
    pub entries: Vec<String>,
    /// Address to use instead of the public hubs, such as a mirror in your network
    #[arg(long, env = "LAMINA_HUB_MIRROR", value_name = "URL")]
    pub mirror: Option<String>,
    /// Token for files that are not for everybody; without it `HF_TOKEN` is sent to the public hub
    #[arg(
        long,
        env = "LAMINA_HUB_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Print one JSON object for each package
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

/// `lamina models add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Folder with `config.json`, `onnx/*.onnx` and so on, or with a finished `model.toml`
    pub folder: PathBuf,
    /// Name of the package; that of the folder when absent
    #[arg(long)]
    pub name: Option<String>,
    /// Licence of the weights (SPDX), where the folder does not say it
    #[arg(long)]
    pub licence: Option<String>,
    /// Print one JSON object
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

/// `lamina models bind`.
#[derive(Debug, Args)]
pub struct BindArgs {
    /// Id of the slot, as `lamina models list` shows it
    pub slot: String,
    /// The package; without it the slot goes back to its default
    pub package: Option<String>,
    /// A parameter of the model, such as `score_threshold=0.4` or `beams=3`; outputs are kept apart by it
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub parameters: Vec<String>,
}

/// `lamina models bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The package
    pub package: String,
    /// Sizes of batch, comma separated; 1, 2, 4 and 8 when absent, as far as the package takes them
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub batches: Vec<usize>,
    /// Threads of a run, comma separated; one and all cores when absent
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub threads: Vec<usize>,
    /// Seconds of throughput for each size of batch and number of threads
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Folder of labelled pictures to measure quality on; the README says how it is laid out
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// Of more labelled pictures than this an even choice is taken
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub pictures: usize,
    /// How a label becomes a text for a dual encoder, with `{}` in its place
    #[arg(long, value_name = "TEXT", default_value = "a photo of a {}")]
    pub prompt: String,
    /// Measure quality only
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue, requires = "photos")]
    pub no_speed: bool,
    /// Python with numpy and onnxruntime: measures ONNX Runtime's own binding on the same graph, turn by turn with ours
    #[arg(long, value_name = "FILE")]
    pub python: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}
