//! What is left when the power or the process goes away at the worst moment.

mod cut;
#[cfg(feature = "sim")]
mod kill;
