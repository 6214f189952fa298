//! Which addresses a download may go to, and where they really are.
//!
//! What the cloud says is an address from outside. Followed blindly, it could make this computer ask a neighbour in its own
//! network, or carry a token to a stranger. So every address, each redirect included, passes two checks: [`UrlGuard::check`]
//! looks at what is written, [`UrlGuard::resolve`] at the addresses behind the name, and the connection is made to these and no
//! others. There is no proxy: it would look the name up again.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::cloud::BaseUrl;
use crate::config::is_loopback;

/// Name servers that are gone are waited for this long.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Why an address is not used. None of these goes away by itself, but for a name that cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Neither http nor https, or without a host.
    #[error("{0} is no web address to download from")]
    NotWeb(String),
    /// It carries a login.
    #[error("the address at {host} carries a user name or a password; it was not used")]
    Login {
        /// The host.
        host: String,
    },
    /// Plain http to another machine.
    #[error("http://{host} is not encrypted; firmware is only downloaded over https")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// From https to http.
    #[error("{from} redirects to http://{host}, which is not encrypted; it was not followed")]
    Downgrade {
        /// Who redirected.
        from: String,
        /// To where.
        host: String,
    },
    /// Not on the list.
    #[error(
        "{host} is not a host that firmware may come from; if it is to be one, add \"{host}\" to firmware.hosts"
    )]
    NotListed {
        /// The host, with its port if that is not the usual one.
        host: String,
    },
    /// The name server does not know it, or does not answer.
    #[error("{host} cannot be looked up ({source}); check the network")]
    LookUp {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The name stands for an address that is no business of the internet.
    #[error(
        "{host} is at {ip}, an address of a private network; it was not asked (only the cloud's own host may be there)"
    )]
    Private {
        /// The host.
        host: String,
        /// Where it is.
        ip: IpAddr,
    },
}

impl UrlError {
    /// Whether the same may succeed later without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::LookUp { .. })
    }
}

type LookedUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
type LookUp = Arc<dyn Fn(String, u16) -> LookedUp + Send + Sync>;

/// Judges addresses. Cheap to clone.
#[derive(Clone)]
pub struct UrlGuard {
    /// `host` or `host:port`; without a port, the scheme's own.
    hosts: Arc<[String]>,
    /// The cloud's `host:port`. Whoever set it may well have it at home.
    own: Option<String>,
    look_up: LookUp,
}

/// An address that may be asked, and where it is.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The address.
    pub url: Url,
    /// Where to connect; none for an address that is a number anyway.
    pub at: Vec<SocketAddr>,
}

impl UrlGuard {
    /// Lets through the host of `cloud` and `hosts`, each a name or a number, with a port if it is not the usual one.
    pub fn new(cloud: Option<&BaseUrl>, hosts: &[String]) -> Self {
        let mut all: Vec<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        let own = cloud.map(BaseUrl::host);
        all.extend(own.clone());
        Self { hosts: all.into(), own, look_up: Arc::new(|host, port| Box::pin(system(host, port))) }
    }

    /// The same, with another telephone book.
    #[must_use]
    pub fn looking_up<F>(self, look_up: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self { look_up: Arc::new(move |host, port| Box::pin(look_up(host, port))), ..self }
    }

    /// Lets through this one, too: a user has named it.
    #[must_use]
    pub fn with(self, url: &Url) -> Self {
        let hosts = self.hosts.iter().cloned().chain([host_of(url)]).collect();
        Self { hosts, ..self }
    }

    /// Judges what is written. `from` is who redirected here.
    pub fn check(&self, url: &Url, from: Option<&Url>) -> Result<(), UrlError> {
        let host = host_of(url);
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(UrlError::NotWeb(format!("{}:…", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Login { host });
        }
        if url.scheme() == "http" {
            if let Some(from) = from.filter(|from| from.scheme() == "https") {
                return Err(UrlError::Downgrade { from: host_of(from), host });
            }
            if !is_loopback(url) {
                return Err(UrlError::PlainHttp { host });
            }
        }
        if !self.hosts.contains(&host) {
            return Err(UrlError::NotListed { host });
        }
        Ok(())
    }

    /// Judges what is written and where it is.
    pub async fn resolve(&self, url: &Url, from: Option<&Url>) -> Result<Checked, UrlError> {
        self.check(url, from)?;
        let listed = host_of(url);
        let (name, port) = (bare(url), url.port_or_known_default().unwrap_or(443));
        // A number on the list was written there by somebody who meant it.
        if name.parse::<IpAddr>().is_ok() {
            return Ok(Checked { url: url.clone(), at: Vec::new() });
        }
        let failed = |source| UrlError::LookUp { host: listed.clone(), source };
        let found = tokio::time::timeout(LOOK_UP, (self.look_up)(name.clone(), port)).await;
        let at = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
        if at.is_empty() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let here_only = name == "localhost";
        let may = |ip: IpAddr| {
            if here_only { ip.is_loopback() } else { self.own.as_ref() == Some(&listed) || is_public(ip) }
        };
        match at.iter().find(|address| !may(address.ip())) {
            Some(address) => Err(UrlError::Private { host: listed, ip: address.ip() }),
            None => Ok(Checked { url: url.clone(), at }),
        }
    }
}

impl fmt::Debug for UrlGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlGuard").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

async fn system(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// The host and, if it is not the scheme's own, the port.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn bare(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned()
}

/// Whether an address is one of the internet's at large.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // This network; carriers' NAT; protocol assignments; benchmarks; all from 240 on, broadcast included.
    let reserved =
        matches!((a, b, c), (0 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _));
    !(reserved
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        // Translated addresses are judged by what they are translated to.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Documentation; Teredo and other special ones.
        [0x2001, 0x0db8 | 0..=0x01ff, ..] => false,
        // All that is given out to anybody begins with 2 or 3: no loopback, no mapped IPv4, nothing local, no multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> UrlGuard {
        let cloud = "https://api.example.org/nowatch".parse().unwrap();
        UrlGuard::new(Some(&cloud), &["CDN.example.org".to_owned(), "files.example.org:8443".to_owned()])
    }

    fn verdict(url: &str) -> Result<(), UrlError> {
        guard().check(&url.parse().unwrap(), None)
    }

    #[test]
    fn only_hosts_that_were_named_and_only_in_secret() {
        for good in [
            "https://api.example.org/x",
            "https://api.example.org:443/x",
            "https://cdn.EXAMPLE.org/a?b",
            "https://files.example.org:8443/",
        ] {
            assert!(verdict(good).is_ok(), "{good}");
        }
        for unlisted in [
            "https://example.org/",
            "https://api.example.org.evil.test/",
            "https://cdn.example.org:444/",
            "https://files.example.org/",
            "https://127.0.0.1/",
            "http://127.0.0.1:8088/",
            "https://[::1]/",
        ] {
            assert!(matches!(verdict(unlisted), Err(UrlError::NotListed { .. })), "{unlisted}");
        }
        assert!(matches!(verdict("http://api.example.org/"), Err(UrlError::PlainHttp { .. })));
        assert!(matches!(verdict("https://u:canary@api.example.org/"), Err(UrlError::Login { .. })));
        assert!(matches!(verdict("file:///etc/passwd"), Err(UrlError::NotWeb(_))));
        let home = UrlGuard::new(Some(&"http://127.0.0.1:8088".parse().unwrap()), &[]);
        assert!(home.check(&"http://127.0.0.1:8088/f".parse().unwrap(), None).is_ok());
        let from = "https://api.example.org".parse().unwrap();
        let down = home.check(&"http://127.0.0.1:8088/f".parse().unwrap(), Some(&from));
        assert!(matches!(down, Err(UrlError::Downgrade { .. })));
    }

    #[test]
    fn addresses_that_are_nobodys_business_are_known() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "64:ff9b:1::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_name_is_worth_what_stands_behind_it() {
        let resolve = async |guard: UrlGuard, url: &str, ips: &'static [&'static str]| {
            let guard = guard.looking_up(move |_, port| async move {
                Ok(ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
            });
            guard.resolve(&url.parse().unwrap(), None).await
        };
        let checked = resolve(guard(), "https://cdn.example.org/f", &["8.8.8.8"]).await.unwrap();
        assert_eq!(checked.at, ["8.8.8.8:443".parse().unwrap()]);
        // One wrong address among right ones is how a name is turned against its user.
        for ips in [&["10.0.0.1"][..], &["8.8.8.8", "169.254.169.254"], &["::ffff:127.0.0.1"]] {
            let error = resolve(guard(), "https://cdn.example.org/f", ips).await.unwrap_err();
            assert!(matches!(error, UrlError::Private { .. }), "{error}");
        }
        assert!(resolve(guard(), "https://api.example.org/f", &["192.168.1.5"]).await.is_ok(), "at home");
        let local = UrlGuard::new(None, &["localhost:1".to_owned()]);
        assert!(resolve(local.clone(), "http://localhost:1/f", &["127.0.0.1"]).await.is_ok());
        assert!(
            resolve(local, "http://localhost:1/f", &["8.8.8.8"]).await.is_err(),
            "in the clear, elsewhere"
        );
        let nothing = resolve(guard(), "https://cdn.example.org/f", &[]).await.unwrap_err();
        assert!(nothing.is_transient());
    }
}
