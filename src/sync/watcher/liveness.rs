//! Whether anybody is at the other end: a link may look open long after the watch has gone, and nothing would ever come of waiting.

use std::time::Duration;

use tokio::time::timeout;

use super::failure::Failure;
use super::visit::end_of;
use crate::radio::RadioError;
use crate::sync::SIGN_OF_LIFE;
use crate::watch::Driver;

/// A link with nothing to do is looked at this often. One read a minute costs a watch next to nothing.
pub const CHECK_EVERY: Duration = Duration::from_mins(1);

/// Asks the watch for a sign of life.
pub async fn check<D: Driver>(driver: &mut D) -> Result<(), Failure> {
    let answer = timeout(SIGN_OF_LIFE, driver.check()).await;
    let Err(error) = answer.unwrap_or(Err(RadioError::Timeout("a sign of life").into())) else {
        return Ok(());
    };
    // A link that has just ended is no ghost.
    match end_of(driver.link()).await {
        Some(closed) => Err(Failure::of_closed(closed, true)),
        None => Err(Failure::Ghost(error.to_string())),
    }
}
