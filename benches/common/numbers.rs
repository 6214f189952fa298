//! Several runs of one measurement, and numbers that can be read.

use std::time::Duration;

use tokio::time::Instant;

/// What several runs gave.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<f64>);

impl Runs {
    /// One more.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The lowest and the highest, in millions.
    pub fn range_in_millions(&self) -> String {
        format!("{:.2}–{:.2}", self.0[0] / 1e6, self.0[self.0.len() - 1] / 1e6)
    }
}

/// Does something and tells how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

/// So many a second.
pub fn rate(number: u64, took: Duration) -> f64 {
    number as f64 / took.as_secs_f64()
}

/// 1234567 as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
