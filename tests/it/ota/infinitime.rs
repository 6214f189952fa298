//! A simulated InfiniTime watch, packages for it, and the way to it.

use std::io::{Cursor, Write};
use std::sync::Arc;

use bytes::Bytes;
use nowbridge::clock::Clock;
use nowbridge::ota::dfu::{Dfu, Past};
use nowbridge::ota::{Attempt, Ending, OtaError, Progress, Sent, Station, Target};
use nowbridge::outbox::{AskedBy, NewUpdate, Outbox, UpdateRow};
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, Link, PeerAddress, sig};
use nowbridge::sim::dfu::InfiniTimeOnAir;
use nowbridge::wire::Sha256;
use nowbridge::wire::dfu::{InitPacket, crc16};
use nowbridge::wire::mcuboot::{ImageBuilder, ImageVersion};
use serde_json::json;
use tokio::sync::watch;
use zip::write::SimpleFileOptions;

use crate::support::outbox::{NOON, WATCH};

const ADDRESS: &str = "C4:00:00:00:00:01";

pub fn image(version: &str, payload: usize) -> Vec<u8> {
    let version: ImageVersion = version.parse().unwrap();
    let payload: Vec<u8> = (0..payload).map(|at| (at * 31 % 253) as u8).collect();
    ImageBuilder::new(version, payload).build().unwrap()
}

/// A zip of these files.
pub fn zipped(files: &[(&str, &[u8])]) -> Bytes {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner().into()
}

/// A manifest as InfiniTime's releases have it.
pub fn manifest(crc: u16) -> String {
    json!({"manifest": {
        "application": {
            "bin_file": "app.bin",
            "dat_file": "app.dat",
            "init_packet_data": {
                "application_version": 4_294_967_295_u32,
                "device_revision": 65_535,
                "device_type": 82,
                "firmware_crc16": crc,
                "softdevice_req": [65_534],
            },
        },
        "dfu_version": 0.5,
    }})
    .to_string()
}

pub fn package(image: &[u8]) -> Bytes {
    let crc = crc16(image);
    let dat = InitPacket::infinitime(crc).encode();
    zipped(&[("app.bin", image), ("app.dat", &dat), ("manifest.json", manifest(crc).as_bytes())])
}

/// The way to it, as whoever runs updates holds it.
pub struct Way {
    pub watch: InfiniTimeOnAir,
    pub air: Air,
    pub past: Past,
}

impl Way {
    pub fn to(version: &str) -> Self {
        let air = Air::new(LinkModel::fast_2m_15ms());
        let watch = InfiniTimeOnAir::new(version);
        air.place(address(), watch.clone());
        Self { watch, air, past: Past::default() }
    }

    pub async fn connect(&self) -> AirLink {
        AirCentral::new(self.air.clone()).connect(&address()).await.unwrap()
    }

    pub fn running(&self) -> String {
        self.watch.with(|_, slots| slots.running.version.clone())
    }

    pub fn begun(&self) -> u32 {
        self.watch.with(|service, _| service.begun)
    }
}

fn address() -> PeerAddress {
    PeerAddress(ADDRESS.to_owned())
}

impl Station for Way {
    type Protocol = Dfu<Arc<AirLink>>;

    async fn reach(&mut self) -> Result<Self::Protocol, OtaError> {
        let link = AirCentral::new(self.air.clone()).connect(&address()).await?;
        Dfu::open(Arc::new(link), self.past.clone())
    }

    async fn health(&mut self, target: &Target) -> Result<(), OtaError> {
        let link = AirCentral::new(self.air.clone()).connect(&address()).await?;
        let version = link.read(sig(0x2A26)).await?;
        assert_eq!(version, target.version.as_bytes());
        Ok(())
    }
}

/// An outbox with an update that somebody asked for.
pub async fn asked(dir: &tempfile::TempDir, package: &Bytes, image: Option<Sha256>) -> (Outbox, UpdateRow) {
    let outbox = Outbox::open(dir.path(), Clock::simulated(NOON)).await.unwrap();
    let new = NewUpdate {
        device: WATCH,
        file: Sha256::of(package),
        image,
        size: package.len() as u32,
        version: "2.0.0".to_owned(),
        asked_by: AskedBy::Person,
        allow_downgrade: false,
    };
    let row = outbox.ask_update(new).await.unwrap().unwrap();
    (outbox, row)
}

/// One try, from the beginning to wherever it gets.
pub async fn attempt(way: &mut Way, package: &Bytes, image: Option<Sha256>) -> Result<Ending, OtaError> {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, row) = asked(&dir, package, image).await;
    let progress = watch::Sender::new(Progress::at(row.step, Sent::default()));
    Attempt::new(way, &outbox, &row, package.clone(), progress, 1).run().await
}
