//! One file per verb.

pub mod bench;
pub mod demo_pictures;
pub mod doctor;
pub mod enrich;
pub mod health;
pub mod import;
pub mod keys;
pub mod models;
pub mod openapi;
pub mod quick_start;
pub mod serve;
pub mod token;
pub mod users;
pub mod verify;
pub mod worker;
