//! The reading side against a real Postgres and the real encoder: every answer is compared with a naive evaluator.

// The attribute says to the linter what the folder says to people: helpers here may unwrap.
#[cfg(test)]
mod asked;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod making;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod random;
#[cfg(test)]
mod search;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod spaces;
#[cfg(test)]
mod word_pages;
#[cfg(test)]
mod words;
#[cfg(test)]
mod world;
