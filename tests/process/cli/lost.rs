//! A store whose log was cut: every command fails with one line.

use std::{
    fs::{self, File},
    path::Path,
};

use crate::kit::{
    Client,
    binary::{Running, fails_with, saem, tool, url},
    operator_key,
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Runs a server that registers products, and stops it in order.
async fn served(data: &Path, products: usize) {
    let (running, said) = Running::start(&mut saem(data));
    let operator = Client::of(url(&said), Some(operator_key(data)));
    for _ in 0..products {
        operator.product(29_900, 5).await;
    }
    running.end();
}

#[tokio::test]
async fn store_without_its_end_is_refused_by_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let [data, before] = ["data", "before"].map(|name| directory.path().join(name));
    served(&data, 1).await;
    copy(&data, &before);
    served(&data, 1).await;
    fs::copy(data.join("journal.mark"), before.join("journal.mark")).unwrap();
    let told = ["the end of the data in", "event 2 was on disk", "ends with event 1", "journal.mark"];
    for name in ["verify", "export", "compact", "serve"] {
        fails_with(tool(name, &before).output().unwrap(), &told);
    }
    // Without the mark the loss is not noticed.
    fs::remove_file(before.join("journal.mark")).unwrap();
    let verified = tool("verify", &before).output().unwrap();
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && said.contains("1 events, 1 entities"), "{said}");
}

#[tokio::test]
async fn cut_log_is_refused_by_verify() {
    let directory = tempfile::tempdir().unwrap();
    let [data, cut] = ["data", "cut"].map(|name| directory.path().join(name));
    served(&data, 30).await;
    let log = fs::read(data.join("journal/db")).unwrap();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    // After that there are rows of views only.
    for eighth in [1, 2, 4] {
        copy(&data, &cut);
        File::options().write(true).open(cut.join("journal/db")).unwrap().set_len(used * eighth / 8).unwrap();
        fails_with(tool("verify", &cut).output().unwrap(), &["cut is lost", "event 30 was on disk"]);
        fs::remove_dir_all(&cut).unwrap();
    }
}
