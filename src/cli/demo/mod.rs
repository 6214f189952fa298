//! x
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn demo(_a: &Args) -> anyhow::Result<u8> {
    Ok(0)
}
