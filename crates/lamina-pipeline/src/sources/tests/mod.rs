//! The whole way through each source.
