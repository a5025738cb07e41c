//! Backups of the right shop, and output that cannot be written.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
};

use super::tools::import;
use crate::kit::{
    Client,
    binary::{Running, command, fails_with, saem, says, tool, url},
    operator_key,
};

/// Address of a server, for `http.listen`.
fn listen(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

#[tokio::test]
async fn backup_without_a_url_is_of_the_named_data() {
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
    // The data is in use: the server at the configured address makes the backup.
    let before = says(&mut backup(&first, &production));
    says(tool("restore", &rehearsal).arg(&first));
    // Production continues. The rehearsal has the same key, and no server.
    let operator = Client::of(url(&said), Some(operator_key(&production)));
    operator.product(29_900, 5).await;
    let events = |said: &str| said.split_once("up to event ").unwrap().1.to_owned();
    assert_eq!(events(&says(&mut backup(&second, &rehearsal))), events(&before));
    assert_ne!(events(&says(&mut backup(&third, &production))), events(&before));
}

#[tokio::test]
async fn output_that_cannot_be_written_is_an_error() {
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
    let [to, backed_up] = [&file, &backup].map(|path| path.to_str().unwrap());
    let commands = || {
        let mut export = tool("export", &data);
        export.args(["--to", to]);
        let mut back_up = tool("backup", &data);
        back_up.arg(backed_up).env("SAEM_HTTP__LISTEN", "127.0.0.1:1");
        let config = command(&["config", "reference"]);
        let mut serve = saem(&data);
        serve.env("SAEM_HTTP__CONNECTIONS", "64");
        let whole = [tool("verify", &data), tool("export", &data), tool("compact", &data)];
        let texts = [config, command(&["manual"]), command(&["completions", "bash"])];
        whole.into_iter().chain([export, back_up, serve]).chain(texts)
    };
    for mut command in commands() {
        // Files of the previous command.
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
    // The import is complete, although its result could not be printed.
    let into = directory.path().join("into");
    fs::write(&file, &exported).unwrap();
    let mut command = tool("import", &into);
    command.stdin(fs::File::open(&file).unwrap()).stdout(full());
    fails_with(command.output().unwrap(), &["cannot be written"]);
    fails_with(import(&exported, &into), &["not empty"]);
    assert_eq!(says(&mut tool("export", &into)), exported);
}

#[tokio::test]
async fn long_backup_prints_its_progress() {
    let directory = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| directory.path().join(name));
    let (_running, _) = Running::start(&mut saem(&data));
    // It accepts the connection, and never answers.
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
