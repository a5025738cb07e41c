//! A process that is killed while it writes leaves an undamaged log.
//!
//! `KILLS` is the number of kills.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use saem::{Journal, SledJournal, SledOptions};

use crate::{aside::opened, samples::put};

/// Environment variable with the directory that the child process writes to.
const WRITES_TO: &str = "SAEM_TEST_WRITES_TO";
/// Default number of kills.
const KILLS: usize = 8;

/// Body of the child process: writes until it is killed.
#[test]
fn writes_until_it_is_killed() {
    let Ok(directory) = env::var(WRITES_TO) else { return };
    crate::run(async move {
        let journal = SledJournal::open(Path::new(&directory), SledOptions::default()).unwrap();
        let journal = journal as Arc<dyn Journal>;
        for round in 0..u32::MAX {
            let value = format!("{round}/").repeat(2_000);
            let write = |part: u32| {
                let views = vec![(
                    (round * 7 % 90 + part * 1_000).to_be_bytes().to_vec(),
                    Some(value.clone().into_bytes()),
                )];
                journal.view_apply(views)
            };
            let write_all = futures_util::future::join_all((0..8).map(write));
            let vault = journal.vault_write(vec![put(&format!("large/{:02}", round * 3 % 40), &value)]);
            let (views, vault) = futures_util::join!(write_all, vault);
            views.into_iter().for_each(Result::unwrap);
            vault.unwrap();
            println!("written: {round}");
        }
    });
}

#[test]
fn a_killed_process_leaves_a_store_that_opens_cleanly() {
    crate::run(async {
        let mut dice = StdRng::seed_from_u64(KILLS as u64);
        let kills = env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
        let directory = tempfile::tempdir().unwrap();
        for kill in 0..kills {
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "killed::writes_until_it_is_killed", "--nocapture"])
                .env(WRITES_TO, directory.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
            let written = |line: &String| line.starts_with("written");
            let last = dice.random_range(1..100);
            assert_eq!(lines.filter(written).take(last).count(), last);
            child.kill().unwrap();
            child.wait().unwrap();
            if dice.random_range(0..4) > 0 {
                opened(directory.path()).await.unwrap();
                assert!(!directory.path().join("set-aside").exists(), "after {kill} kills");
            }
        }
    });
}
