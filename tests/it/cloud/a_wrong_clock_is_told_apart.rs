//! A Raspberry Pi boots with a clock in the past: its certificate error is about time, not about trust or passwords.

use std::sync::Arc;

use nowbridge::clock::Clock;
use nowbridge::cloud::{BaseUrl, Client, ClientConfig, CloudError, TlsProblem, install_crypto};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::cloud::somebody;

/// Made for this story, self-signed for 127.0.0.1; protects nothing.
const KEY: &str =
    "302e020100300506032b65700422042075b2c39c2e5f40985ffa37a3bf68f7973a3ed273f7bf6163479b18b056e9dc2c";
/// Valid on 2020-01-01 only.
const EXPIRED: &str = "3081f03081a3a003020102020102300506032b657030123110300e06035504030c0765787069726564301e170d32303031\
    30313030303030305a170d3230303130323030303030305a30123110300e06035504030c0765787069726564302a300506032b6570032100\
    1f795d057505d1809a994c9c1cf62b510220fc218a46cd249e34ed1c4090b6d6a31e301c30090603551d1304023000300f0603551d110408\
    300687047f000001300506032b6570034100630c0775f8f4892a3e3d0981f81b0badd8cd9a756764fc424888cc419bee251fbc099ff28391\
    412c3389d023c96a7af954ed3621c1e4bcd9df622075e8768e0a";
/// Valid from 2090 to 2099.
pub const EARLY: &str = "3081f03081a3a003020102020103300506032b65703010310e300c06035504030c056561726c793022180f32303930303130\
    313030303030305a180f32303939303130313030303030305a3010310e300c06035504030c056561726c79302a300506032b657003210\
    01f795d057505d1809a994c9c1cf62b510220fc218a46cd249e34ed1c4090b6d6a31e301c30090603551d1304023000300f0603551d11040\
    8300687047f000001300506032b6570034100e3c5caad4c076d57769bea1a51cf30740975026949985bb5676e81c5fb28b9782bcf2ddd747\
    28d81460db38f498ba7be75f679cadf7e9794328068937496350f";

/// Begins a handshake with everybody; nobody ends it.
pub async fn cloud_with(certificate: &str) -> BaseUrl {
    install_crypto();
    let certificate = CertificateDer::from(hex::decode(certificate).unwrap());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(hex::decode(KEY).unwrap()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut heard = Vec::new();
            while stream.read_buf(&mut heard).await.is_ok_and(|length| length > 0) {
                tls.read_tls(&mut heard.as_slice()).unwrap();
                heard.clear();
                if tls.process_new_packets().is_err() {
                    break;
                }
                let mut said = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut said).unwrap();
                }
                stream.write_all(&said).await.unwrap();
            }
        }
    });
    base_url
}

async fn problem_with(certificate: &str) -> CloudError {
    let client = Client::new(ClientConfig::new(cloud_with(certificate).await), Clock::System).unwrap();
    client.login(&somebody()).await.unwrap_err()
}

#[tokio::test]
async fn a_certificate_out_of_its_time_makes_the_clock_a_suspect() {
    let error = problem_with(EARLY).await;
    assert!(matches!(error, CloudError::Tls { problem: TlsProblem::NotYetValid, .. }), "{error:?}");
    assert!(error.suspects_clock() && error.is_transient() && !error.needs_login());
    assert!(error.to_string().contains("clock"), "{error}");
    let error = problem_with(EXPIRED).await;
    assert!(matches!(error, CloudError::Tls { problem: TlsProblem::Expired, .. }), "{error:?}");
}

#[tokio::test]
async fn something_that_speaks_no_tls_is_not_about_time() {
    let plain = crate::support::cloud::raw_cloud(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.to_string();
    let secure: BaseUrl = plain.replace("http://", "https://").parse().unwrap();
    let client = Client::new(ClientConfig::new(secure), Clock::System).unwrap();
    let error = client.login(&somebody()).await.unwrap_err();
    assert!(matches!(error, CloudError::Tls { problem: TlsProblem::Other, .. }), "{error:?}");
    assert!(!error.suspects_clock() && error.is_transient());
}
