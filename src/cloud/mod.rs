//! The NOWATCH API client.
