//! The store against a real Postgres and a real directory: a database and a folder per test.

// The attribute says to the linter what the folder says to people: helpers here may unwrap.
#[cfg(test)]
mod access;
#[cfg(test)]
mod bindings;
#[cfg(test)]
mod blobs;
#[cfg(test)]
mod caption_texts;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod datasets;
#[cfg(test)]
mod enrichment;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod fail_points;
#[cfg(test)]
mod ingest;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tags;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod verify;
