//! A server that is killed, again and again, over bringing a store to a newer format.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    fixtures::copy,
    running::{Running, saem},
};

/// So many rentals are in the index that it takes a while.
const RENTALS: u64 = 15_000;
/// A server is killed so long after it has begun, until one has finished.
const WITHIN_MS: [u64; 9] = [0, 5, 20, 50, 100, 150, 200, 300, 400];

/// The store's tree, past all that Saem does to it. Nobody may have it open.
fn raw(data: &Path) -> (sled::Db, sled::Tree) {
    let config = sled::Config::new().path(data.join("journal")).segment_size(2 * 1_024 * 1_024);
    loop {
        match config.open() {
            Ok(db) => return (db.clone(), db.open_tree("journal").unwrap()),
            Err(sled::Error::Io(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The rows of rentals, payments and deliveries in format 1, and those of format 2.
fn rows(data: &Path) -> [Vec<(Vec<u8>, Vec<u8>)>; 2] {
    let (_db, tree) = raw(data);
    let rows = |range: std::ops::Range<&[u8]>| {
        let row = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec()))
        };
        tree.range(range).map(|found| row(found).unwrap()).collect()
    };
    [rows(b"e\x00"..b"e\x03"), rows(b"g".."h".as_bytes())]
}

/// What version 0.1.0 left, with many more rentals in the index: as long as it is not compared with the
/// journal, nobody can tell.
fn large(data: &Path) {
    copy(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1.0"), data);
    let (db, tree) = raw(data);
    let kinds = [0, 1, 2].map(|kind| tree.scan_prefix([b'e', kind]).values().next().unwrap().unwrap());
    for page in 0..RENTALS / 1_000 {
        let mut batch = sled::Batch::default();
        for n in page * 1_000..(page + 1) * 1_000 {
            // Far apart, as ids are; some without a delivery, some without a payment.
            let id = u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n);
            for (kind, value) in
                (0..3u8).zip(&kinds).filter(|(kind, _)| n % 7 > 1 || u64::from(*kind) != n % 7 + 1)
            {
                batch.insert([&[b'e', kind][..], &id.to_be_bytes()].concat(), value);
            }
        }
        tree.apply_batch(batch).unwrap();
        db.flush().unwrap();
    }
}

/// The rows of format 2 that these of format 1 become.
fn joined(old: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut groups = std::collections::BTreeMap::<Vec<u8>, [&[u8]; 3]>::new();
    for (key, value) in old {
        groups.entry(key[2..].to_vec()).or_default()[usize::from(key[1])] = value;
    }
    let row = |(id, frames): (Vec<u8>, [&[u8]; 3])| {
        let value = frames.map(|frame| [&(frame.len() as u32).to_le_bytes(), frame].concat()).concat();
        ([&b"g"[..], &id].concat(), value)
    };
    groups.into_iter().map(row).collect()
}

/// Starts a server, and kills it while it is at it; answers whether it was.
async fn killed(data: &Path, within: Duration) -> bool {
    let mut server = Running(saem(data).env("SAEM_LOG", "info").spawn().unwrap());
    let stderr = BufReader::new(server.0.stderr.take().unwrap());
    let begun = stderr.lines().any(|line| line.unwrap().contains("is being brought to a newer format"));
    if begun {
        tokio::time::sleep(within).await;
    }
    begun
}

#[tokio::test]
async fn a_migration_that_is_killed_at_any_moment_is_finished_by_a_later_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    large(&data);
    let [old, _] = rows(&data);
    let expected = joined(&old);
    let mut seen = Vec::new();
    for within in WITHIN_MS.map(Duration::from_millis) {
        let format = fs::read_to_string(data.join("FORMAT")).unwrap();
        if format == "saem 2\n" {
            break;
        }
        assert!(killed(&data, within).await);
        let format = fs::read_to_string(data.join("FORMAT")).unwrap();
        let [left, made] = rows(&data);
        seen.push((within, format.clone(), left.len(), made.len()));
        // Either all of the old is there, or all of the new.
        if format == "saem 1\n" {
            assert_eq!(left, old);
            assert!(made.iter().all(|row| expected.binary_search(row).is_ok()));
        } else {
            assert_eq!((format.as_str(), &made), ("saem 2\n", &expected));
        }
    }
    println!("{seen:?}");
    let (server, _) = Running::start(&mut saem(&data));
    server.end();
    assert_eq!(fs::read_to_string(data.join("FORMAT")).unwrap(), "saem 2\n");
    assert_eq!(rows(&data)[0], []);
    let (_db, tree) = raw(&data);
    // What the shop itself went on with is another matter.
    let differs =
        expected.iter().filter(|(key, value)| tree.get(key).unwrap().is_none_or(|is| is != value)).count();
    assert!(differs < 20, "{differs}");
}
