//! Questions to whoever sits at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use tokio::sync::mpsc;

use crate::control::{PairingAnswer, Question};

/// A terminal, if there is one.
pub struct Terminal {
    lines: Option<mpsc::Receiver<String>>,
    /// Questions go where the result does not.
    to_stderr: bool,
}

impl Terminal {
    /// Whether somebody can be asked.
    pub fn is_there() -> bool {
        std::io::stdin().is_terminal()
    }

    /// Nothing is read until something is asked.
    pub const fn new(to_stderr: bool) -> Self {
        Self { lines: None, to_stderr }
    }

    /// Says something without the end of a line.
    pub fn say(&self, text: &str) -> std::io::Result<()> {
        if self.to_stderr {
            eprint!("{text}");
            std::io::stderr().flush()
        } else {
            print!("{text}");
            std::io::stdout().flush()
        }
    }

    /// The next line that is typed; `None` when there will be none. Cancel-safe.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.get_or_insert_with(read_lines).recv().await
    }
}

/// A read from a terminal cannot be called off, so it has a thread that ends with the process.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// How a question reads; `None` for what wants no answer.
pub fn ask(question: Question) -> Option<String> {
    match question {
        Question::EnterPasskey => Some("The watch shows six digits. Which? ".to_owned()),
        Question::CompareNumbers { passkey } => {
            Some(format!("Does the watch show {passkey:06}, too? [y/n] "))
        }
        Question::Confirm => {
            Some("The watch asks for nothing. Is it the right one, and at hand? [y/n] ".to_owned())
        }
        Question::ShowPasskey { .. } => None,
    }
}

/// What was typed, as an answer; `Err` says what would be one.
pub fn understand(question: Question, typed: &str) -> Result<PairingAnswer, String> {
    match question {
        Question::EnterPasskey => passkey(typed).map(PairingAnswer::Passkey),
        _ => match typed.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(PairingAnswer::Yes(true)),
            "n" | "no" => Ok(PairingAnswer::Yes(false)),
            _ => Err("type y or n".to_owned()),
        },
    }
}

/// Six digits, which some watches show in two groups.
pub fn passkey(text: &str) -> Result<u32, String> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_one = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
    match digits.parse() {
        Ok(passkey) if is_one => Ok(passkey),
        _ => Err("a passkey has six digits, such as 042137".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        assert_eq!(passkey("042 137"), Ok(42_137));
        for wrong in ["", "42137", "0421370", "+12345", "04213x"] {
            assert!(passkey(wrong).unwrap_err().contains("six digits"), "{wrong}");
        }
        let confirm = Question::Confirm;
        assert_eq!(understand(confirm, " Yes "), Ok(PairingAnswer::Yes(true)));
        assert_eq!(understand(confirm, "n"), Ok(PairingAnswer::Yes(false)));
        assert!(understand(confirm, "").is_err(), "to press return is no answer");
    }
}
