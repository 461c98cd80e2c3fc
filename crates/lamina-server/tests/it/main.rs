//! The real binary: boot, the main job by every door, stop, crash, damage.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say how to repeat what failed"
)]

mod album;
mod anchors;
mod annotate_crash;
mod bench;
mod bench_sizes;
mod boot;
mod buckets;
mod changes;
mod contract;
mod crash;
mod damage;
mod detection;
mod doors;
mod enrich;
mod enrich_added;
mod enrich_chaos;
mod enrich_page;
mod export;
mod hostile;
mod models;
mod people;
mod photos;
mod saved_views;
mod search_fuzz;
mod search_pages;
mod second_tries;
mod support;
mod swap;
