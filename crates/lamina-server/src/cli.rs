//! The command line: one binary, one verb per task.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use lamina_types::DatasetId;

use crate::commands::bench::additions::AdditionsBench;
use crate::commands::bench::copies::CopiesBench;
use crate::commands::bench::enrich::EnrichBench;
use crate::commands::bench::explore::ExploreBench;
use crate::commands::bench::export::ExportBench;
use crate::commands::bench::index::IndexBench;
use crate::commands::models::args::ModelsArgs;
use crate::config::{
    DataOptions, DatabaseOptions, HttpOptions, IndexOptions, InferenceOptions, MetricsOptions,
    TelemetryOptions, WorkerOptions, parse_duration,
};

/// Self-hosted server that speaks the Visual Layer HTTP API.
#[derive(Debug, Parser)]
#[command(name = "lamina", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub telemetry: TelemetryOptions,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve the API, and work on jobs inside unless told otherwise
    Serve(Box<ServeArgs>),
    /// Work on jobs only; any number may run, on any number of hosts
    Worker(Box<WorkerArgs>),
    /// Bring the database schema up to date and end
    Migrate(DatabaseArgs),
    /// Make a dataset from a folder, a zip archive or a list of files
    Import(Box<ImportArgs>),
    /// Apply models to a copy of a dataset
    Enrich(Box<EnrichArgs>),
    /// Print one bearer token
    Token(TokenArgs),
    /// Make, list and revoke API keys
    Keys(KeysArgs),
    /// People: list, create, set a password, keep out, remove
    Users(UsersArgs),
    /// Model packages: list, pull, add, verify, bind, bench, remove
    Models(Box<ModelsArgs>),
    /// Try each precondition by really using it, and say how to mend what is missing
    Doctor(Box<DoctorArgs>),
    /// Check every stored thing against every other; exits with 1 on any breach
    Verify(VerifyArgs),
    /// Ask a running server whether it is ready; exits with 0 or 1
    Health(HealthArgs),
    /// Write the pictures of the demo dataset into a folder
    DemoPictures(DemoPicturesArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Measure this machine: what an ingest, an enrichment, a search or a page of explore takes
    Bench(Box<BenchArgs>),
}

#[derive(Debug, Args)]
pub struct DatabaseArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub http: HttpOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
    #[command(flatten)]
    pub worker: WorkerOptions,
    #[command(flatten)]
    pub index: IndexOptions,
    #[command(flatten)]
    pub metrics: MetricsOptions,

    /// Leave jobs to `lamina worker` processes
    #[arg(long, env = "LAMINA_NO_WORKER", default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub no_worker: bool,

    /// Ingest the demo dataset if there is none, and print how to go on
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub quick_start: bool,

    /// With `--quick-start`: ingest this folder too, and allow `/process` to read below it
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
    #[command(flatten)]
    pub worker: WorkerOptions,
    #[command(flatten)]
    pub index: IndexOptions,
    #[command(flatten)]
    pub metrics: MetricsOptions,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Folder, `.zip` archive, or `.txt`/`.csv`/`.parquet` list of files
    pub path: PathBuf,
    /// Name of the dataset
    #[arg(long)]
    pub name: String,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
    #[command(flatten)]
    pub worker: WorkerOptions,
    #[command(flatten)]
    pub index: IndexOptions,
    /// User who will own the dataset; the first admin when absent
    #[arg(long)]
    pub user: Option<String>,
    /// Leave the originals where they are instead of copying them
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub reduce_disk_space: bool,
    /// Wait until the dataset is READY or ERROR, showing progress
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub wait: bool,
    /// Print one JSON object at the end instead of text
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
    /// With `--wait`: exit with 3 when any file was rejected
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct EnrichArgs {
    /// The dataset, by id; it must be READY
    pub dataset: DatasetId,
    /// What to add, such as `CAPTION_IMAGES,OBJECT_DETECTION` or `CAPTION_IMAGES=vl_image_captioner_v00`
    #[arg(
        long,
        required = true,
        value_delimiter = ',',
        value_name = "TYPE[=MODEL]"
    )]
    pub models: Vec<String>,
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
    #[command(flatten)]
    pub worker: WorkerOptions,
    #[command(flatten)]
    pub index: IndexOptions,
    /// Wait until the copy is READY or ERROR, showing progress, rate and time left
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub wait: bool,
    /// Print one JSON object at the end instead of text
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// User whose key signs the token; the first admin when absent
    #[arg(long)]
    pub user: Option<String>,
    /// Life of the token, such as `10m` or `24h`
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub ttl: Duration,
}

#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(subcommand)]
    pub action: KeysAction,
}

#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Make a key and print it with its secret, which is shown this once
    Create {
        /// User who may act with it; made when missing
        #[arg(long)]
        user: Option<String>,
        /// Role of a user made by this command
        #[arg(long, default_value = "editor", value_parser = ["admin", "editor", "viewer"])]
        role: String,
        /// What the key is for
        #[arg(long, default_value = "")]
        name: String,
        /// Life of the key, such as `90d`; for ever when absent
        #[arg(long, value_parser = parse_duration)]
        expires_in: Option<Duration>,
        /// Print one JSON object
        #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
        json: bool,
    },
    /// List keys without their secrets
    List,
    /// End the life of a key at once
    Revoke {
        /// The key
        // One key in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
}

#[derive(Debug, Args)]
pub struct UsersArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(subcommand)]
    pub action: UsersAction,
}

#[derive(Debug, Subcommand)]
pub enum UsersAction {
    /// List accounts
    List,
    /// Make an account
    Create {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, default_value = "editor", value_parser = ["admin", "editor", "viewer"])]
        role: String,
        /// Mail address, by which datasets are shared with it
        #[arg(long)]
        email: Option<String>,
        /// Read a password from the first line of standard input
        #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
        password: bool,
    },
    /// Set the password of an account, read from the first line of standard input, and end its sessions
    Password {
        /// Its name
        name: String,
    },
    /// Let an account do more or less: a new admin replaces the old one, the datasets of a new viewer go to the first admin
    Role {
        /// Its name
        name: String,
        /// What it may do
        #[arg(value_parser = ["admin", "editor", "viewer"])]
        role: String,
    },
    /// Let an account enter again
    Enable {
        /// Its name
        name: String,
    },
    /// Keep an account out: neither its password nor its keys work
    Disable {
        /// Its name
        name: String,
    },
    /// End an account; its datasets go to the first admin
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub inference: InferenceOptions,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub data: DataOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    /// Also read every blob and every generation, and search for every item by itself
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub deep: bool,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the server
    #[arg(long, env = "LAMINA_LISTEN", default_value = "127.0.0.1:2080")]
    pub listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct DemoPicturesArgs {
    /// Folder to write to; created when missing
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub subject: BenchSubject,
}

#[derive(Debug, Subcommand)]
pub enum BenchSubject {
    /// CPU milliseconds per picture of an ingest, by stage, on generated JPEGs
    Ingest {
        #[command(flatten)]
        inference: InferenceOptions,
        #[command(flatten)]
        data: DataOptions,
        /// Number of pictures
        #[arg(long, default_value_t = 500)]
        pictures: usize,
        /// Print JSON
        #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
        json: bool,
    },
    /// CPU milliseconds per picture and model of an enrichment besides the models' own, by phase and stage
    Enrich(Box<EnrichBench>),
    /// CPU milliseconds per search and recall, the index against other libraries, on generated vectors
    Index(IndexBench),
    /// Milliseconds per page of explore, by kind of query and by how much it matches, on a generated dataset
    Explore(Box<ExploreBench>),
    /// F1 of near-copies at the shipped similarity, on copies of photos or of drawn scenes
    Copies(Box<CopiesBench>),
    /// Seconds until media added to a large dataset are found, and whether a reindex makes it what a fresh build is
    Additions(Box<AdditionsBench>),
    /// Memory that an export of a generated dataset takes
    Export(Box<ExportBench>),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use super::Cli;

    /// One row per variable: name, flag, default, meaning.
    fn rows(command: &clap::Command, found: &mut BTreeMap<String, String>) {
        for arg in command.get_arguments() {
            let (Some(variable), Some(flag)) =
                (arg.get_env().and_then(|name| name.to_str()), arg.get_long())
            else {
                continue;
            };
            let defaults = arg.get_default_values();
            let default = match defaults.first().and_then(|value| value.to_str()) {
                None | Some("false") => String::new(),
                // Depends on who runs it.
                Some(_) if flag == "data-dir" => "see below".to_owned(),
                Some(value) => format!("`{value}`"),
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let row = format!("| `{variable}` | `--{flag}` | {default} | {help} |");
            found.entry(variable.to_owned()).or_insert(row);
        }
        for verb in command.get_subcommands() {
            rows(verb, found);
        }
    }

    #[test]
    fn the_readme_lists_every_setting_as_the_help_says_it() {
        let mut found = BTreeMap::new();
        rows(&Cli::command(), &mut found);
        let table: Vec<String> = found.into_values().collect();
        let expected = format!(
            "| variable | flag | default | meaning |\n|---|---|---|---|\n{}\n",
            table.join("\n")
        );
        let readme = include_str!("../../../README.md");
        assert!(
            readme.contains(&expected),
            "the README's table must read:\n{expected}"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
