//! What is left when the power or the process goes away at the worst moment.

#[cfg(feature = "sim")]
mod kill;
