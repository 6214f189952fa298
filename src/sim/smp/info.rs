//! What a watch says of itself when it is asked for information.

use crate::wire::mcuboot::ImageVersion;
use crate::wire::smp::wire_version;

/// The letters that stand for something, in the order in which it is told.
const LETTERS: &str = "snrvbmpio";

/// The words that a format asks for; `None` if it has a letter that means nothing.
pub(super) fn words(format: &str, version: ImageVersion) -> Option<String> {
    if !format.chars().all(|letter| letter == 'a' || LETTERS.contains(letter)) {
        return None;
    }
    let wanted = |letter: &char| format.contains('a') || format.contains(*letter);
    let words: Vec<String> = LETTERS.chars().filter(wanted).map(|letter| word(letter, version)).collect();
    Some(words.join(" "))
}

fn word(letter: char, version: ImageVersion) -> String {
    match letter {
        's' | 'o' => "Zephyr".to_owned(),
        'n' => "unknown".to_owned(),
        'v' => wire_version(version),
        'm' => "simulated".to_owned(),
        'p' => "none".to_owned(),
        'i' => "nowbridge/sim-watch".to_owned(),
        _ => "0".to_owned(),
    }
}
