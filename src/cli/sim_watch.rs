//! x
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn sim_watch(_a: &Args) -> anyhow::Result<u8> {
    Ok(0)
}
