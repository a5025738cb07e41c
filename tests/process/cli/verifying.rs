//! `saem verify`: violations in the simulator's ledger, in images, and between events.

use std::{fs, path::Path};

use reqwest::Method;

use super::tools::{imported, operator, resealed, shop};
use crate::kit::{
    Answer,
    binary::{Running, saem, says, tool, url},
};

/// Violations that are printed, one a line.
fn found(data: &Path) -> Vec<String> {
    let output = tool("verify", data).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    assert!(lines.pop().unwrap().contains(" events, "), "{said}");
    // A server that stopped early may have left rows to rebuild.
    lines.retain(|line| !line.ends_with("not compared"));
    lines
}

#[track_caller]
fn finds(found: &[String], words: &[&str]) {
    let fits = |line: &&String| words.iter().all(|word| line.contains(word));
    assert!(found.iter().any(|line| fits(&line)), "{words:?}: {found:?}");
}

#[tokio::test]
async fn ledger_that_differs_from_the_journal_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    shop(&data).await;
    let path = data.join("simulator.ledger");
    let whole = fs::read_to_string(&path).unwrap();
    let verb = |verb: &str| whole.lines().find(|line| line.starts_with(verb)).unwrap().to_owned() + "\n";
    let (captured, refunded) = (verb("captured"), verb("refunded"));
    let rental = captured.split(['_', ' ']).nth(2).unwrap();
    let stranger = captured.replace(rental, "00000000000000000000000001");
    for (ledger, count, words) in [
        (format!("{whole}junk\n"), 1, &["line 4 is not an operation"][..]),
        (format!("{whole}{stranger}"), 1, &["was captured, but the journal has no such rental"]),
        (whole.replacen(&captured, "", 1), 1, &["is captured in the journal, but not in the ledger"]),
        (whole.replacen(&refunded, "", 1), 1, &["is refunded in the journal, but not in the ledger"]),
        (whole.replacen("29900", "29901", 1), 1, &["29901 won in the ledger, and 29900 won in the journal"]),
        // Cut in a line: later lines are lost, and the half line is reported, too.
        (captured[..captured.len() - 3].to_owned(), 3, &["line 1 is cut off"]),
    ] {
        fs::write(&path, &ledger).unwrap();
        let found = found(&data);
        finds(&found, words);
        assert_eq!(found.len(), count, "{found:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), ledger, "it is only read");
    }
    fs::remove_file(&path).unwrap();
    finds(&found(&data), &["simulator.ledger is missing, but the journal has 2 captures"]);
    assert!(!path.exists());
    // A capture not yet in the journal, of a known rental, and a half line of a crash.
    fs::write(&path, whole.clone() + &captured.replace(" 1 ", " 2 ") + "captured paym").unwrap();
    let said = says(&mut tool("verify", &data));
    assert!(said.contains("line 5 is cut off") && said.ends_with("all is well\n"), "{said}");
}

#[tokio::test]
async fn missing_and_damaged_images_are_found_and_only_read() {
    let directory = tempfile::tempdir().unwrap();
    let (running, said) = Running::start(saem(directory.path()).arg("--demo"));
    let operator = operator(directory.path(), url(&said));
    let product = operator.product(29_900, 5).await;
    for image in ["first", "second"] {
        let request = operator.request(Method::PUT, &format!("/v1/products/{product}/image"));
        let png = [&b"\x89PNG\r\n\x1a\n"[..], image.as_bytes()].concat();
        Answer::of(request.body(png)).await.expect(200);
    }
    running.end();
    let images = directory.path().join("images");
    for image in fs::read_dir(&images).unwrap().map(|entry| entry.unwrap().path()) {
        let name = image.file_name().unwrap().to_str().unwrap();
        let whole = fs::read(&image).unwrap();
        for damaged in [&b""[..], &whole[1..], b"\x89PNG\r\n\x1a\nanother"] {
            fs::write(&image, damaged).unwrap();
            let found = found(directory.path());
            finds(&found, &["images", name, "is damaged"]);
            finds(&found, &[&product, name, "is damaged"]);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(fs::read(&image).unwrap(), damaged, "it is only read");
        }
        fs::remove_file(&image).unwrap();
        let found = found(directory.path());
        finds(&found, &[&product, name, "is missing"]);
        assert_eq!(found.len(), 1, "{found:?}");
        fs::write(&image, whole).unwrap();
    }
    fs::write(images.join("unfinished.tmp"), "half of an ima").unwrap();
    let said = says(&mut tool("verify", directory.path()));
    assert!(said.contains("1 unfinished files") && said.ends_with("all is well\n"), "{said}");
}

#[tokio::test]
async fn contradicting_events_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    shop(&data).await;
    let whole = says(&mut tool("export", &data));
    let lines: Vec<&str> = whole.lines().collect();
    let at = |name: &str| lines.iter().position(|line| line.contains(&format!("{{\"{name}\":"))).unwrap();
    let other = lines[at("ProductRegistered")].split('"').find(|word| word.starts_with("product_")).unwrap();
    for (number, (name, from, to, words)) in [
        ("PaymentApproved", "\"amount\":29900", "\"amount\":1", ["PaymentApproved at", "1 won, the fee is"]),
        ("PaymentCanceled", "\"amount\":29900", "\"amount\":2", ["PaymentCanceled at", "2 won, the fee is"]),
        ("RentalCanceled", "\"amount\":29900", "\"amount\":3", ["RentalCanceled at", "3 won, the fee is"]),
        ("DeliveryStarted", "", other, ["DeliveryStarted at", "not the rented product"]),
        ("RentalConfirmed", "\"causation\":{\"event\":", "9000", ["cause 9000", "does not come before it"]),
    ]
    .into_iter()
    .enumerate()
    {
        let line = lines[at(name)];
        let altered = match name {
            "DeliveryStarted" => {
                let product = line.split('"').find(|word| word.starts_with("product_")).unwrap();
                line.replace(product, to)
            }
            "RentalConfirmed" => {
                let (before, after) = line.split_once(from).unwrap();
                format!("{before}{from}{to}{}", &after[after.find('}').unwrap()..])
            }
            _ => line.replacen(from, to, 1),
        };
        assert_ne!(altered, line, "{name}");
        let mut all = lines[..lines.len() - 1].to_vec();
        all[at(name)] = &altered;
        let moved = directory.path().join(number.to_string());
        imported(&resealed(&all), &moved);
        finds(&found(&moved), &words);
    }
}
