//! Commands: their output, and their errors.

use std::{
    fs, io::Read as _, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path, process::Command,
};

use crate::kit::{
    Client,
    binary::{Running, command, fails_with, saem, says, tool, url},
    operator_key,
};

#[tokio::test]
async fn serve_prints_its_paths_and_what_to_try() {
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
    assert_eq!(Client::of(url(&said), None).items("/v1/products").await.len(), 3);
}

#[tokio::test]
async fn demo_fills_an_empty_store_only() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (_running, said) = Running::start(saem(directory.path()).arg("--demo"));
        assert_eq!(Client::of(url(&said), None).items("/v1/products").await.len(), 3);
    }
}

#[test]
fn sigterm_and_sigint_stop_it_in_order() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().unwrap();
        let (mut running, _) = Running::start(&mut saem(directory.path()));
        running.signal(signal);
        let status = running.0.wait().unwrap();
        let mut stderr = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{signal}");
    }
}

#[test]
fn closed_log_does_not_disturb_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let (mut running, _) = Running::start(saem(directory.path()).env("SAEM_LOG", "trace"));
    drop((running.0.stdout.take(), running.0.stderr.take()));
    running.end();
}

#[test]
fn port_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    let output = tool("serve", &data).args(["--listen", &address]).output().unwrap();
    fails_with(output, &["cannot listen on", &address, "in use"]);
    assert!(!data.exists(), "the store is not touched");
}

#[test]
fn directory_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (_running, _) = Running::start(&mut saem(directory.path()));
    let second = saem(directory.path()).output().unwrap();
    fails_with(second, &[directory.path().to_str().unwrap(), "in use by another process"]);
}

#[test]
fn unusable_directory_is_named() {
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
        let mut command = command(arguments);
        command.env("SAEM_STORE__BACKEND", backend).env("SAEM_HTTP__LISTEN", "127.0.0.1:1");
        command.arg("--data").arg(path).output().unwrap()
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
fn compact_prints_sizes_and_refuses_a_store_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let compact = |data: &Path| tool("compact", data).output().unwrap();
    let (running, _) = Running::start(saem(directory.path()).arg("--demo"));
    fails_with(compact(directory.path()), &[directory.path().to_str().unwrap(), "in use by another process"]);
    drop(running);
    let said = says(&mut tool("compact", directory.path()));
    for part in [directory.path().to_str().unwrap(), "bytes before", "bytes after"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_running, _) = Running::start(&mut saem(directory.path()));
    let nowhere = directory.path().join("nowhere");
    fails_with(compact(&nowhere), &["nowhere", "cannot be used"]);
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn backup_with_and_without_a_server_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let [data, first, second, third] =
        ["data", "first", "second", "third"].map(|name| directory.path().join(name));
    let tool = |tool: &str, argument: &Path, data: &Path, more: &[&str]| {
        let mut command = command(&[tool, "--data"]);
        // Nobody listens at this address: a backup must not ask a server there.
        command.arg(data).args(more).arg(argument).env("SAEM_HTTP__LISTEN", "127.0.0.1:1");
        command
    };
    let failed = |mut command: Command, words: &[&str]| fails_with(command.output().unwrap(), words);
    let done = |mut command: Command, words: &[&str]| {
        let said = says(&mut command);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    failed(tool("backup", &first, &data, &[]), &["data directory", "data", "cannot be used"]);
    fs::create_dir(&data).unwrap();
    let nothing = ["data", "holds no data of Saem's"];
    failed(tool("backup", &first, &data, &[]), &nothing);
    failed(tool("backup", &first, &data, &["--url", "http://127.0.0.1:1"]), &nothing);
    let no_url = tool("backup", &first, &data, &["--url", "127.0.0.1:1"]);
    failed(no_url, &["127.0.0.1:1", "must begin with http:// or https://"]);
    fs::remove_dir(&data).unwrap();
    let (running, said) = Running::start(saem(&data).arg("--demo"));
    let server = ["--url", url(&said)];
    done(tool("backup", &first, &data, &server), &["first", "bytes, up to event"]);
    failed(tool("backup", &first, &data, &server), &["refuses", "holds files already"]);
    // The server listens elsewhere than the settings say: its data is not copied while it is in use.
    failed(tool("backup", &second, &data, &[]), &["in use by another process"]);
    drop(running);
    failed(tool("backup", &second, &data, &server), &[url(&said), "does not answer"]);
    done(tool("backup", &second, &data, &[]), &["second", "bytes, up to event"]);
    done(tool("restore", &second, &third, &[]), &["third", "restored, up to event"]);
    failed(tool("restore", &second, &third, &[]), &["third", "is not empty"]);
    failed(tool("restore", directory.path(), &data, &[]), &["no FORMAT file"]);
    // With relative paths.
    let mut beside = command(&["restore", "second", "--data", "fourth"]);
    beside.current_dir(directory.path());
    done(beside, &["fourth: restored, up to event"]);
    for data in [first, third, directory.path().join("fourth")] {
        let (_running, said) = Running::start(&mut saem(&data));
        assert_eq!(Client::of(url(&said), None).items("/v1/products").await.len(), 3);
        assert_eq!(fs::metadata(data.join("operator.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn tools_handle_data_of_redb_and_sled_refuses_it() {
    let directory = tempfile::tempdir().unwrap();
    let [data, copy, restored] = ["data", "copy", "restored"].map(|name| directory.path().join(name));
    let (running, _) = Running::start(saem(&data).arg("--demo").env("SAEM_STORE__BACKEND", "redb"));
    drop(running);
    let tool = |tool: &[&str], data: &Path, backend: &str| {
        let mut command = command(tool);
        // Nobody listens at this address: a backup must not ask a server there.
        command.envs([("SAEM_STORE__BACKEND", backend), ("SAEM_HTTP__LISTEN", "127.0.0.1:1")]);
        command.arg("--data").arg(data);
        command
    };
    let copy_to = copy.to_str().unwrap();
    let other = ["a store of redb, but store.backend is sled", "saem export and saem import move"];
    fails_with(saem(&data).output().unwrap(), &other);
    fails_with(tool(&["compact"], &data, "sled").output().unwrap(), &other);
    fails_with(tool(&["backup", copy_to], &data, "sled").output().unwrap(), &other);
    assert!(says(&mut tool(&["compact"], &data, "redb")).contains("bytes after"));
    assert!(says(&mut tool(&["backup", copy_to], &data, "redb")).contains("bytes, up to event"));
    // A backup knows its backend.
    let told = says(&mut tool(&["restore", copy_to], &restored, "sled"));
    assert!(told.contains("restored, up to event") && told.contains("set store.backend to redb"), "{told}");
    let (_running, told) = Running::start(saem(&restored).env("SAEM_STORE__BACKEND", "redb"));
    assert_eq!(Client::of(url(&told), None).items("/v1/products").await.len(), 3);
}

#[test]
fn config_checks_shows_and_lists_settings() {
    let config = |what: &[&str], environment: &[(&str, &str)]| {
        let mut command = command(&["config"]);
        command.env_remove("SAEM_LOG").args(what).envs(environment.iter().copied());
        command
    };
    let secret = ("SAEM_OPERATOR__KEY", "a-secret-of-no-fewer-than-32-characters");
    assert!(says(&mut config(&["check"], &[secret])).contains("all valid"));
    let shown = says(&mut config(&["show"], &[secret]));
    assert!(shown.contains("key = \"***\"") && !shown.contains(secret.1), "{shown}");
    let listed = says(&mut config(&["reference"], &[]));
    assert!(listed.contains("`SAEM_PAYMENT__BREAKER__OPEN_WAIT_MS`"), "{listed}");
    let wrong = config(&["check"], &[("SAEM_LOCALE", "fr"), ("SAEM_NONSENSE", "1")]).output().unwrap();
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!((wrong.status.code(), told.lines().count()), (Some(1), 2), "{told}");
}

#[test]
fn completions_and_manual_have_every_command() {
    let saem = |arguments: &[&str]| says(&mut command(arguments));
    for text in [saem(&["completions", "bash"]), saem(&["completions", "zsh"]), saem(&["manual"])] {
        for command in
            ["serve", "gateway", "config", "backup", "restore", "compact", "verify", "export", "import"]
        {
            assert!(text.contains(command), "{command}: {text}");
        }
    }
}

#[test]
fn invalid_settings_are_named_before_any_change() {
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
