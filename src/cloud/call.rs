//! One request and one answer, before and after the network. A [`Call`] can be sent more than once.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::CloudError;
use super::error_body;

/// Answers are short, with few exceptions that say so.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// A request to one path of the API.
#[derive(Debug)]
pub(super) struct Call {
    pub method: Method,
    pub path: Cow<'static, str>,
    pub query: Vec<(&'static str, String)>,
    pub headers: HeaderMap,
    pub payload: Payload,
    pub limit_bytes: usize,
}

/// What a request carries.
pub(super) enum Payload {
    Nothing,
    Json(Bytes),
    Form(Vec<FormPart>),
}

/// One part of a multipart form. The bytes are shared, never copied.
pub(super) struct FormPart {
    pub name: &'static str,
    pub file: Option<FileHead>,
    pub content: Bytes,
}

/// What a part that is a file tells about itself.
pub(super) struct FileHead {
    pub name: String,
    pub mime: &'static str,
}

impl Call {
    pub fn new(method: Method, path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            payload: Payload::Nothing,
            limit_bytes: ANSWER_LIMIT_BYTES,
        }
    }

    pub fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn post(path: impl Into<Cow<'static, str>>, payload: Payload) -> Self {
        Self { payload, ..Self::new(Method::POST, path) }
    }

    pub fn query(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Adds a header whose value comes from outside and may not be sendable.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, CloudError> {
        let value = HeaderValue::try_from(value)
            .map_err(|source| setup("a header holds characters that cannot be sent", source))?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }
}

/// A [`CloudError::Setup`] with its cause.
pub(super) fn setup(what: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> CloudError {
    CloudError::Setup { what, source: source.into() }
}

/// The multipart form of these parts.
pub(super) fn form(parts: &[FormPart]) -> Result<Form, reqwest::Error> {
    let mut form = Form::new();
    for FormPart { name, file, content } in parts {
        // A body made of bytes has a length, which keeps the request from being chunked.
        let mut part = Part::stream_with_length(content.clone(), content.len() as u64);
        if let Some(FileHead { name, mime }) = file {
            part = part.file_name(name.clone()).mime_str(mime)?;
        }
        form = form.part(*name, part);
    }
    Ok(form)
}

/// What is inside stays out of logs.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Json(body) => write!(f, "Json({} bytes)", body.len()),
            Self::Form(parts) => write!(f, "Form({} parts)", parts.len()),
        }
    }
}

/// An answer with a status of success; whether the API gave it shows when it is read.
#[derive(Debug)]
pub(super) struct Reply {
    pub path: String,
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The JSON that the answer holds.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CloudError> {
        serde_json::from_slice(&self.body).map_err(|error| match error.classify() {
            // The text of the error is left out: it may quote a token or a measurement.
            Category::Data => self.unexpected(format!(
                "a field is missing or of another type at line {}, column {}",
                error.line(),
                error.column()
            )),
            _ => self.not_the_api(),
        })
    }

    /// JSON came, but not this.
    pub fn unexpected(&self, what: impl Into<String>) -> CloudError {
        CloudError::Unexpected { path: self.path.clone(), what: what.into() }
    }

    /// No JSON came.
    pub fn not_the_api(&self) -> CloudError {
        let shown = error_body::is_markup(&self.body);
        CloudError::NotTheApi {
            status: self.status,
            content_type: self.content_type.clone(),
            snippet: if shown { error_body::snippet(&self.body) } else { String::new() },
        }
    }
}
