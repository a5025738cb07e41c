//! What each command says, and how it fails.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use super::running::{Running, fails_with, saem, url};
use crate::kit::{Client, operator_key};

#[tokio::test]
async fn it_says_where_everything_is_and_what_to_try_first() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (_running, said) = Running::start(saem(&data).arg("--demo"));
    let key = data.join("operator.key");
    let said_all = said.join("\n");
    for part in [data.to_str().unwrap(), key.to_str().unwrap(), "3 sample purifiers", "/v1/products"] {
        assert!(said_all.contains(part), "{part}: {said_all}");
    }
    for (path, mode) in [(&key, 0o600), (&data, 0o700)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert!(operator_key(&data).len() >= 32);
    let products = Client::of(url(&said), None).get("/v1/products").await.expect(200);
    assert_eq!(products["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_demo_fills_an_empty_store_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (_running, said) = Running::start(saem(directory.path()).arg("--demo"));
        let products = Client::of(url(&said), None).get("/v1/products").await.expect(200);
        assert_eq!(products["items"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn sigterm_and_sigint_end_it_well() {
    for signal in ["-TERM", "-INT"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut running, _) = Running::start(&mut saem(directory.path()));
        let sent =
            Command::new("sh").args(["-c", &format!("kill {signal} {}", running.0.id())]).status().unwrap();
        assert!(sent.success());
        let status = running.0.wait().unwrap();
        let mut told = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((status.code(), told.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn it_ends_well_though_nobody_reads_its_log_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (mut running, _) = Running::start(saem(directory.path()).env("SAEM_LOG", "trace"));
    drop((running.0.stdout.take(), running.0.stderr.take()));
    running.end();
}

#[test]
fn a_port_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
    let output = command.args(["serve", "--listen", &address, "--data"]).arg(&data).output().unwrap();
    fails_with(output, &["cannot listen on", &address, "in use"]);
    assert!(!data.exists(), "whoever cannot listen does not touch the store");
}

#[test]
fn a_directory_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (_running, _) = Running::start(&mut saem(directory.path()));
    let second = saem(directory.path()).output().unwrap();
    fails_with(second, &[directory.path().to_str().unwrap(), "in use by another process"]);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    fails_with(saem(&file.join("data")).output().unwrap(), &[file.to_str().unwrap(), "cannot be used"]);
}

#[test]
fn a_newer_format_is_refused_naming_both() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("FORMAT"), "saem 7\n").unwrap();
    fails_with(saem(directory.path()).output().unwrap(), &["format 7", "up to format 3"]);
    fs::write(directory.path().join("FORMAT"), "postgres 7\n").unwrap();
    fails_with(saem(directory.path()).output().unwrap(), &["no FORMAT file of Saem's"]);
    fs::remove_file(directory.path().join("FORMAT")).unwrap();
    fs::write(directory.path().join("holiday.jpg"), "").unwrap();
    fails_with(saem(directory.path()).output().unwrap(), &["no FORMAT file of Saem's"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was put there");
}

#[test]
fn an_older_format_is_refused_with_the_way_to_move_it() {
    let directory = tempfile::tempdir().unwrap();
    let [data, to] = ["data", "to"].map(|name| directory.path().join(name));
    fs::create_dir(&data).unwrap();
    let run = |backend: &str, arguments: &[&str], path: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.env("SAEM_STORE__BACKEND", backend).env("SAEM_HTTP__LISTEN", "127.0.0.1:1");
        command.args(arguments).arg("--data").arg(path).output().unwrap()
    };
    let (from, to_name) = (data.to_str().unwrap(), to.to_str().unwrap());
    for (backend, format, found, reads) in [("sled", "saem 2\n", 2, 3), ("redb", "saem 1 redb\n", 1, 2)] {
        fs::write(data.join("FORMAT"), format).unwrap();
        let words =
            [&format!("format {found}"), &format!("reads format {reads}"), "`saem export`", "`saem import`"];
        for arguments in [&["serve"][..], &["verify"], &["export"], &["compact"], &["backup", to_name]] {
            fails_with(run(backend, arguments, &data), &words);
        }
        fails_with(run(backend, &["restore", from], &to), &words);
        assert_eq!(fs::read_to_string(data.join("FORMAT")).unwrap(), format);
        assert!(fs::read_dir(&data).unwrap().count() == 1 && !to.exists(), "nothing was touched");
    }
}

#[test]
fn compacting_says_what_it_did_and_refuses_a_store_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let compact = |data: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(["compact", "--data"]).arg(data).env("SAEM_LOG", "warn").output().unwrap()
    };
    let (running, _) = Running::start(saem(directory.path()).arg("--demo"));
    fails_with(compact(directory.path()), &[directory.path().to_str().unwrap(), "in use by another process"]);
    drop(running);
    let output = compact(directory.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in [directory.path().to_str().unwrap(), "bytes before", "bytes after"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_running, _) = Running::start(&mut saem(directory.path()));
    let nowhere = directory.path().join("nowhere");
    fails_with(compact(&nowhere), &["nowhere", "cannot be used"]);
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_backup_is_made_with_and_without_a_server_and_restored() {
    let directory = tempfile::tempdir().unwrap();
    let [data, first, second, third] =
        ["data", "first", "second", "third"].map(|name| directory.path().join(name));
    let tool = |tool: &str, argument: &Path, data: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args([tool, "--data"]).arg(data).args(more).arg(argument).env("SAEM_LOG", "warn");
        // Nobody listens there, so that whoever asks no server is asked for none.
        command.env("SAEM_HTTP__LISTEN", "127.0.0.1:1").output().unwrap()
    };
    let done = |output: Output, words: &[&str]| {
        let said = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    fails_with(tool("backup", &first, &data, &[]), &["data directory", "data", "cannot be used"]);
    fs::create_dir(&data).unwrap();
    let nothing = ["data", "holds no data of Saem's"];
    fails_with(tool("backup", &first, &data, &[]), &nothing);
    fails_with(tool("backup", &first, &data, &["--url", "http://127.0.0.1:1"]), &nothing);
    let no_url = tool("backup", &first, &data, &["--url", "127.0.0.1:1"]);
    fails_with(no_url, &["127.0.0.1:1", "must begin with http:// or https://"]);
    fs::remove_dir(&data).unwrap();
    let (running, said) = Running::start(saem(&data).arg("--demo"));
    let server = ["--url", url(&said)];
    done(tool("backup", &first, &data, &server), &["first", "bytes, up to event"]);
    fails_with(tool("backup", &first, &data, &server), &["refuses", "holds files already"]);
    // It listens elsewhere than the settings say: its data is not copied behind its back.
    fails_with(tool("backup", &second, &data, &[]), &["in use by another process"]);
    drop(running);
    fails_with(tool("backup", &second, &data, &server), &[url(&said), "does not answer"]);
    done(tool("backup", &second, &data, &[]), &["second", "bytes, up to event"]);
    done(tool("restore", &second, &third, &[]), &["third", "restored, up to event"]);
    fails_with(tool("restore", &second, &third, &[]), &["third", "is not empty"]);
    fails_with(tool("restore", directory.path(), &data, &[]), &["no FORMAT file"]);
    // As somebody types it who stands beside it.
    let mut beside = Command::new(env!("CARGO_BIN_EXE_saem"));
    beside.args(["restore", "second", "--data", "fourth"]).env("SAEM_LOG", "warn");
    done(beside.current_dir(directory.path()).output().unwrap(), &["fourth: restored, up to event"]);
    for data in [first, third, directory.path().join("fourth")] {
        let (_running, said) = Running::start(&mut saem(&data));
        let products = Client::of(url(&said), None).get("/v1/products").await.expect(200);
        assert_eq!(products["items"].as_array().unwrap().len(), 3);
        assert_eq!(fs::metadata(data.join("operator.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn data_of_redb_is_compacted_backed_up_and_restored_and_sled_refuses_it() {
    let directory = tempfile::tempdir().unwrap();
    let [data, copy, restored] = ["data", "copy", "restored"].map(|name| directory.path().join(name));
    let (running, _) = Running::start(saem(&data).arg("--demo").env("SAEM_STORE__BACKEND", "redb"));
    drop(running);
    let tool = |tool: &[&str], data: &Path, backend: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args(tool).arg("--data").arg(data).env("SAEM_LOG", "warn");
        // Nobody listens there, so that a backup asks no server.
        command.envs([("SAEM_STORE__BACKEND", backend), ("SAEM_HTTP__LISTEN", "127.0.0.1:1")]);
        command.output().unwrap()
    };
    let said = |output: Output| {
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).unwrap()
    };
    let copy_to = copy.to_str().unwrap();
    let other = ["a store of redb, but store.backend is sled", "saem export and saem import move"];
    fails_with(saem(&data).output().unwrap(), &other);
    fails_with(tool(&["compact"], &data, "sled"), &other);
    fails_with(tool(&["backup", copy_to], &data, "sled"), &other);
    assert!(said(tool(&["compact"], &data, "redb")).contains("bytes after"));
    assert!(said(tool(&["backup", copy_to], &data, "redb")).contains("bytes, up to event"));
    // A backup says itself what it is of.
    let told = said(tool(&["restore", copy_to], &restored, "sled"));
    assert!(told.contains("restored, up to event") && told.contains("set store.backend to redb"), "{told}");
    let (_running, told) = Running::start(saem(&restored).env("SAEM_STORE__BACKEND", "redb"));
    let products = Client::of(url(&told), None).get("/v1/products").await.expect(200);
    assert_eq!(products["items"].as_array().unwrap().len(), 3);
}

#[test]
fn settings_are_checked_shown_and_listed() {
    let config = |what: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.arg("config").args(what).envs(environment.iter().copied()).output().unwrap()
    };
    let said = |output: Output| (output.status.code(), String::from_utf8(output.stdout).unwrap());
    let secret = ("SAEM_OPERATOR__KEY", "a-secret-of-no-fewer-than-32-characters");
    assert!(said(config(&["check"], &[secret])).1.contains("all valid"));
    let (status, shown) = said(config(&["show"], &[secret]));
    assert_eq!(status, Some(0));
    assert!(shown.contains("key = \"***\"") && !shown.contains(secret.1), "{shown}");
    let (_, listed) = said(config(&["reference"], &[]));
    assert!(listed.contains("`SAEM_PAYMENT__BREAKER__OPEN_WAIT_MS`"), "{listed}");
    let wrong = config(&["check"], &[("SAEM_LOCALE", "fr"), ("SAEM_NONSENSE", "1")]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!((wrong.status.code(), told.lines().count()), (Some(1), 2), "{told}");
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let saem = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_saem")).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for text in [saem(&["completions", "bash"]), saem(&["completions", "zsh"]), saem(&["manual"])] {
        for command in
            ["serve", "gateway", "config", "backup", "restore", "compact", "verify", "export", "import"]
        {
            assert!(text.contains(command), "{command}: {text}");
        }
    }
}

#[test]
fn bad_settings_are_named_before_anything_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for (name, value, words) in [
        ("SAEM_LOCALE", "fr", ["locale = fr", "must be ko or en"]),
        ("SAEM_HTTP__TRUSTED_PROXIES", "10.0.0.1,proxy", ["http.trusted_proxies = proxy", "10.0.0.0/8"]),
        ("SAEM_HTTP__CORS_ORIGINS", "shop.example", ["http.cors_origins = shop.example", "https://"]),
        ("SAEM_PAYMENT__QUEUE", "many", ["payment.queue", "many"]),
        ("SAEM_PAYMENT__QUEU", "1", ["payment.queu", "no such setting"]),
        ("SAEM_PAYMENT__PROVIDER", "toss", ["payment.toss.secret_key", "must be set"]),
        ("SAEM_LOG", "=,=", ["bad setting", "SAEM_LOG"]),
    ] {
        fails_with(saem(&data).env(name, value).output().unwrap(), &words);
    }
    let missing = saem(&data).args(["--config", "nowhere.toml"]).output().unwrap();
    fails_with(missing, &["bad setting", "nowhere.toml"]);
    assert!(!data.exists());
    let unknown = saem(&data).arg("--nonsense").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
