//! The API's error body: `{timestamp, path, message[], statusCode}`.
//!
//! The documentation shows it for 400 only and leaves the type of the messages open, so everything in here is optional
//! and a message may be a string, an object or a list of either. What is said is shown to people, hence the limits.

use serde_json::Value;

const MAX_MESSAGES: usize = 10;
const MAX_CHARS: usize = 300;

/// What could be made out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub messages: Vec<String>,
    pub timestamp: Option<String>,
}

/// What an error body of any shape says, in words.
pub(crate) fn messages(body: &[u8]) -> Vec<String> {
    read(body).messages
}

/// Reads an error body of any shape.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        let text = if is_markup(body) { title(body) } else { snippet(body) };
        return ErrorBody { messages: if text.is_empty() { vec![] } else { vec![text] }, timestamp: None };
    };
    let mut messages = Vec::new();
    match &json {
        Value::Object(fields) => {
            let said = fields.get("message").or_else(|| fields.get("error"));
            collect(said.unwrap_or(&Value::Null), &mut messages);
        }
        other => collect(other, &mut messages),
    }
    ErrorBody { messages, timestamp: json.get("timestamp").and_then(Value::as_str).map(tidy) }
}

fn collect(said: &Value, messages: &mut Vec<String>) {
    if messages.len() >= MAX_MESSAGES {
        return;
    }
    match said {
        Value::Null => {}
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => messages.push(tidy(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, messages)),
        Value::Object(fields) if fields.get("message").is_some_and(Value::is_string) => {
            collect(&fields["message"], messages);
        }
        other => messages.push(tidy(&other.to_string())),
    }
}

/// Whether this is a web page and not an answer of the API.
pub(crate) fn is_markup(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// The beginning of a body, fit for one line of text.
pub(super) fn snippet(body: &[u8]) -> String {
    // A character takes at most four bytes.
    tidy(&String::from_utf8_lossy(&body[..body.len().min(4 * MAX_CHARS)]))
}

/// The title of a web page, such as `413 Request Entity Too Large`.
fn title(page: &[u8]) -> String {
    let text = String::from_utf8_lossy(page);
    let between = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    between.map(|(title, _)| tidy(title)).unwrap_or_default()
}

/// One line without control characters, cut after [`MAX_CHARS`].
fn tidy(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if let Some((cut, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(body: &str) -> Vec<String> {
        read(body.as_bytes()).messages
    }

    #[test]
    fn the_documented_body() {
        let body = r#"{"timestamp":"2022-02-07T10:00:00Z","path":"/v1/user","message":["a must be b","c"],"statusCode":400}"#;
        let expected = ErrorBody {
            messages: vec!["a must be b".to_owned(), "c".to_owned()],
            timestamp: Some("2022-02-07T10:00:00Z".to_owned()),
        };
        assert_eq!(read(body.as_bytes()), expected);
    }

    #[test]
    fn every_other_shape_yields_what_it_holds() {
        assert_eq!(messages(r#"{"message":"Unauthorized"}"#), ["Unauthorized"]);
        assert_eq!(
            messages(r#"{"message":[{"property":"email"},{"message":"x"}]}"#),
            [r#"{"property":"email"}"#, "x"]
        );
        assert_eq!(messages(r#"{"error":"slow down"}"#), ["slow down"]);
        assert_eq!(messages("upstream\r\n timed out"), ["upstream timed out"]);
        assert_eq!(messages("<html><head><title>413 Too Large</title>"), ["413 Too Large"]);
        for nothing in ["", "{}", "null", r#"{"message":null,"timestamp":3}"#, "<html>"] {
            assert_eq!(messages(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn a_long_winded_server_is_cut_short() {
        let body = serde_json::json!({ "message": vec!["ä\u{1b}[31m".repeat(1_000); 100] }).to_string();
        let messages = messages(&body);
        assert_eq!(messages.len(), MAX_MESSAGES);
        assert!(
            messages.iter().all(|text| text.chars().count() == MAX_CHARS + 1 && !text.contains('\u{1b}'))
        );
    }
}
