//! Rows of a stopped server's store, for tests that damage them.

use std::fs::File;

use redb::{ReadableDatabase as _, ReadableTable as _};
use saem::{EntityId, Position, internal::store::codec};

use crate::kit::TestApp;

/// The store of a stopped server, opened by its backend's library.
pub enum Raw {
    Sled(sled::Db),
    Redb(redb::Database),
}

const JOURNAL: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("journal");
const ENTITIES: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("entities");
const VIEWS: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("views");

/// A row with a bit in its last byte flipped.
fn flipped(row: &[u8]) -> Vec<u8> {
    let mut row = row.to_vec();
    *row.last_mut().unwrap() ^= 1;
    row
}

/// Opens a stopped server's store for some work.
pub fn with_raw<T>(app: &TestApp, work: impl FnOnce(&Raw) -> T) -> T {
    let (sled, redb) = (app.data().join("journal"), app.data().join("journal.redb"));
    if redb.exists() {
        return work(&Raw::Redb(redb::Database::open(redb).unwrap()));
    }
    // sled's threads hold its lock a little longer than its owner does.
    let released = || {
        while File::open(sled.join("db")).unwrap().try_lock().is_err() {
            std::thread::yield_now();
        }
    };
    released();
    let done = work(&Raw::Sled(sled::Config::new().path(&sled).segment_size(2 << 20).open().unwrap()));
    released();
    done
}

impl Raw {
    /// Flips a bit of an entity's row.
    pub fn damage_entity(&self, entity: EntityId) {
        let key = [&[entity.kind as u8][..], &entity.id.to_be_bytes()].concat();
        match self {
            Self::Sled(db) => {
                let (journal, key) = (db.open_tree("journal").unwrap(), [b"e", &key[..]].concat());
                let row = journal.get(&key).unwrap().expect("the row exists");
                journal.insert(key, flipped(&row)).unwrap();
                db.flush().unwrap();
            }
            Self::Redb(db) => {
                let written = db.begin_write().unwrap();
                {
                    let mut entities = written.open_table(ENTITIES).unwrap();
                    let row = flipped(entities.get(&key[..]).unwrap().expect("the row exists").value());
                    entities.insert(&key[..], &row[..]).unwrap();
                }
                written.commit().unwrap();
            }
        }
    }

    /// Flips a bit of the event at a position, or of one in the same commit.
    pub fn damage_event(&self, position: u64) {
        match self {
            Self::Sled(db) => {
                let key = [&b"j"[..], &position.to_be_bytes()].concat();
                let journal = db.open_tree("journal").unwrap();
                let (key, chunk) = journal.range(b"j".to_vec()..=key).next_back().unwrap().unwrap();
                journal.insert(key, flipped(&chunk)).unwrap();
                db.flush().unwrap();
            }
            Self::Redb(db) => {
                let written = db.begin_write().unwrap();
                {
                    let mut journal = written.open_table(JOURNAL).unwrap();
                    let (first, row) = {
                        let (first, row) = journal.range(..=position).unwrap().next_back().unwrap().unwrap();
                        (first.value(), flipped(row.value()))
                    };
                    journal.insert(first, &row[..]).unwrap();
                }
                written.commit().unwrap();
            }
        }
    }

    /// Position from which projections read at the next start.
    pub fn stands(&self) -> u64 {
        let read = |name: &str| {
            let key = format!("stand/{name}").into_bytes();
            let row: Option<Vec<u8>> = match self {
                Self::Sled(db) => {
                    let row = db.open_tree("views").unwrap().get(&key).unwrap();
                    row.map(|row| row.to_vec())
                }
                Self::Redb(db) => {
                    let views = db.begin_read().unwrap().open_table(VIEWS).unwrap();
                    // Behind its seal.
                    views.get(&key[..]).unwrap().map(|row| row.value()[8..].to_vec())
                }
            };
            row.map_or(0, |row| codec::decode::<(u8, Position)>(&row).unwrap().1.0)
        };
        ["catalogue", "agenda", "mypage", "notification"].into_iter().map(read).min().unwrap()
    }

    /// Deletes all views.
    pub fn delete_views(&self) {
        match self {
            Self::Sled(db) => db.open_tree("views").unwrap().clear().unwrap(),
            Self::Redb(db) => {
                let written = db.begin_write().unwrap();
                written.open_table(VIEWS).unwrap().retain(|_, _| false).unwrap();
                written.commit().unwrap();
            }
        }
    }
}
