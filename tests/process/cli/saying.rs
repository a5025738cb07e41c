//! Whom a command listens to, and whether it is heard: backups of the right shop, results that nobody reads.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{
    running::{Running, fails_with, saem, url},
    tools::{import, says, tool},
};

/// Where a server listens, as `http.listen` names it.
fn listen(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

#[tokio::test]
async fn without_a_url_a_backup_is_of_the_data_that_was_named_whoever_listens() {
    let directory = tempfile::tempdir().unwrap();
    let [production, first, rehearsal, second, third] =
        ["production", "first", "rehearsal", "second", "third"].map(|name| directory.path().join(name));
    let (_running, said) = Running::start(saem(&production).arg("--demo"));
    let listens = listen(url(&said));
    let backup = |to: &Path, data: &Path| {
        let mut command = tool("backup", data);
        command.arg(to).env("SAEM_HTTP__LISTEN", listens);
        command
    };
    // The data is in use: who has it is asked, where the settings say.
    let before = says(&mut backup(&first, &production));
    let mut restore = Command::new(env!("CARGO_BIN_EXE_saem"));
    says(restore.args(["restore", "--data"]).args([&rehearsal, &first]).env("SAEM_LOG", "warn"));
    // Since then, production has gone on. The rehearsal has its key, and no server.
    let operator = crate::kit::Client::of(url(&said), Some(crate::kit::operator_key(&production)));
    operator.product(29_900, 5).await;
    let events = |said: &str| said.split_once("up to event ").unwrap().1.to_owned();
    assert_eq!(events(&says(&mut backup(&second, &rehearsal))), events(&before));
    assert_ne!(events(&says(&mut backup(&third, &production))), events(&before));
}

#[tokio::test]
async fn a_result_that_nobody_can_read_is_a_failure_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let [data, file, backup] = ["data", "shop.jsonl", "backup"].map(|name| directory.path().join(name));
    Running::start(saem(&data).arg("--demo")).0.end();
    let exported = says(&mut tool("export", &data));
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let saem = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(arguments).env("SAEM_LOG", "warn");
        command
    };
    let [to, backed_up] = [&file, &backup].map(|path| path.to_str().unwrap());
    let commands = || {
        let mut export = tool("export", &data);
        export.args(["--to", to]);
        let mut back_up = tool("backup", &data);
        back_up.arg(backed_up).env("SAEM_HTTP__LISTEN", "127.0.0.1:1");
        let config = saem(&["config", "reference"]);
        let mut serve = crate::cli::running::saem(&data);
        serve.env("SAEM_HTTP__CONNECTIONS", "64");
        let whole = [tool("verify", &data), tool("export", &data), tool("compact", &data)];
        let texts = [config, saem(&["manual"]), saem(&["completions", "bash"])];
        whole.into_iter().chain([export, back_up, serve]).chain(texts)
    };
    for mut command in commands() {
        // Done already, the first time.
        let _ = (fs::remove_file(&file), fs::remove_dir_all(&backup));
        fails_with(command.stdout(full()).output().unwrap(), &["cannot be written", "No space left"]);
    }
    for mut command in commands() {
        let _ = (fs::remove_file(&file), fs::remove_dir_all(&backup));
        let Output { status, stderr, .. } = command.stdout(gone()).output().unwrap();
        let told = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), told.as_str()), (Some(1), ""), "{command:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), "");
    // What was imported is there, whether or not that could be said.
    let into = directory.path().join("into");
    fs::write(&file, &exported).unwrap();
    let mut command = tool("import", &into);
    command.stdin(fs::File::open(&file).unwrap()).stdout(full());
    fails_with(command.output().unwrap(), &["cannot be written"]);
    fails_with(import(&exported, &into), &["not empty"]);
    assert_eq!(says(&mut tool("export", &into)), exported);
}

#[tokio::test]
async fn who_waits_long_for_a_backup_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| directory.path().join(name));
    let (_running, _) = Running::start(&mut saem(&data));
    // It takes the call, and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = tool("backup", &data);
    command.arg(&backup).arg("--url").arg(format!("http://{}", deaf.local_addr().unwrap()));
    let mut waiting = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(waiting.0.stderr.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("saem: waiting for http://127.0.0.1:"), "{line}");
        assert!(line.ends_with(": 0 MiB so far"), "{line}");
    }
}
