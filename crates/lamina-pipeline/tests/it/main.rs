//! Job handlers against a real Postgres, a real directory and the real `INDEX` encoder; the models of enrichments are
//! played, so that a test decides what they say and how they fail.

// The attribute says to the linter what the folder says to people: helpers here may unwrap.
#[cfg(test)]
mod added;
#[cfg(test)]
mod additions;
#[cfg(test)]
mod annotate;
#[cfg(test)]
mod buckets;
#[cfg(test)]
mod enrich;
#[cfg(test)]
mod export;
#[cfg(test)]
mod played;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod views;
#[cfg(test)]
mod world;
