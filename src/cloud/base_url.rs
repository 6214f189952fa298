//! Where the API is: `https://<host>/nowatch`. The production host is not public, so this is a setting.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::config::is_loopback;

/// The address that the paths of the API (`/v1/user`) are put behind.
///
/// Always https, except towards this very machine: tokens and health data never cross a network in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(Url);

/// A text that cannot be the address of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an absolute http or https URL.
    #[error("the cloud address \"{0}\" is not a URL such as https://api.example.org/nowatch")]
    NotAUrl(String),
    /// Plain http to another machine.
    #[error(
        "the cloud address http://{host} would send tokens and health data in the clear; write https:// \
         (plain http is only for a cloud on this machine, such as http://127.0.0.1:8080)"
    )]
    PlainHttp {
        /// The host that was named.
        host: String,
    },
    /// A user name, a password, a query or a fragment.
    #[error("the cloud address may hold a host and a path, but no {0}; take that part out")]
    Superfluous(&'static str),
}

impl BaseUrl {
    /// Whether this is a cloud on this machine. What is simulated may only go there.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether the connection is not encrypted (only ever so towards this machine).
    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The host and, if it is not the usual one, the port.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether `url` is at the same place: scheme, host and port. Only such an address may see a token.
    pub fn is_origin_of(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// The address of `path`, which begins with a slash.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{path}"));
        url
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotAUrl(text.to_owned()))?;
        // Told apart before anything that would print the text: it may hold a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Superfluous("user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Superfluous("query or fragment"));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(BaseUrlError::PlainHttp { host: url.host_str().unwrap_or_default().to_owned() }),
            _ => Err(BaseUrlError::NotAUrl(text.to_owned())),
        }
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = BaseUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BaseUrl> for String {
    fn from(base: BaseUrl) -> Self {
        base.to_string()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_behind_the_base_with_or_without_a_slash() {
        for base in ["https://api.example.org/nowatch", "https://api.example.org/nowatch/"] {
            let base: BaseUrl = base.parse().unwrap();
            assert_eq!(base.join("/v1/user").as_str(), "https://api.example.org/nowatch/v1/user");
            assert_eq!(base.to_string(), "https://api.example.org/nowatch");
            assert!(!base.is_loopback());
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for loopback in
            ["http://127.0.0.1:8080", "http://[::1]:1/nowatch", "http://localhost", "https://127.9.9.9"]
        {
            assert!(loopback.parse::<BaseUrl>().unwrap().is_loopback(), "{loopback}");
        }
        for elsewhere in
            ["http://api.example.org", "http://192.0.2.1", "http://127.0.0.1.example.org", "http://0.0.0.0"]
        {
            let error = elsewhere.parse::<BaseUrl>().unwrap_err();
            assert!(matches!(error, BaseUrlError::PlainHttp { .. }), "{elsewhere}: {error}");
            assert!(error.to_string().contains("write https://"));
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = "https://me:canary@api.example.org".parse::<BaseUrl>().unwrap_err().to_string();
        assert!(error.contains("password") && !error.contains("canary"), "{error}");
        assert!("ftp://api.example.org".parse::<BaseUrl>().is_err());
        assert!("api.example.org".parse::<BaseUrl>().is_err());
    }
}
