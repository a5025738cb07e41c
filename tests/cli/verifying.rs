//! What `saem verify` finds in the simulator's ledger, and in what events say of each other.

use std::{fs, path::Path};

use crate::tools::{imported, resealed, says, shop, tool};

/// What is found, a line each; what is seen comes last.
fn found(data: &Path) -> Vec<String> {
    let output = tool("verify", data).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    assert!(lines.pop().unwrap().contains(" events, "), "{said}");
    // A server that was ended at once may have left rows to be made anew.
    lines.retain(|line| !line.ends_with("not compared"));
    lines
}

#[track_caller]
fn finds(found: &[String], words: &[&str]) {
    let fits = |line: &&String| words.iter().all(|word| line.contains(word));
    assert!(found.iter().any(|line| fits(&line)), "{words:?}: {found:?}");
}

#[tokio::test]
async fn a_ledger_that_is_not_the_journals_is_found_and_only_read() {
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
        (format!("{whole}{stranger}"), 1, &["was captured, the journal knows no such rental"]),
        (whole.replacen(&captured, "", 1), 1, &["was captured, the ledger does not"]),
        (whole.replacen(&refunded, "", 1), 1, &["was refunded, the ledger does not"]),
        (whole.replacen("29900", "29901", 1), 1, &["29901 won in the ledger, and 29900 won in the journal"]),
        // Cut off in the middle: what stands behind is lost, and the half line is told beside.
        (captured[..captured.len() - 3].to_owned(), 3, &["line 1 is cut off"]),
    ] {
        fs::write(&path, &ledger).unwrap();
        let found = found(&data);
        finds(&found, words);
        assert_eq!(found.len(), count, "{found:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), ledger, "it is only read");
    }
    fs::remove_file(&path).unwrap();
    finds(&found(&data), &["simulator.ledger is not there, though the simulator captured 2 times"]);
    assert!(!path.exists());
    // A capture that the journal has not heard of, of a rental that it knows, and a line that a crash left.
    fs::write(&path, whole.clone() + &captured.replace(" 1 ", " 2 ") + "captured paym").unwrap();
    let said = says(&mut tool("verify", &data));
    assert!(said.contains("line 5 is cut off") && said.ends_with("all is well\n"), "{said}");
}

#[tokio::test]
async fn events_that_contradict_what_was_agreed_or_what_came_before_are_found() {
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
        ("DeliveryStarted", "", other, ["DeliveryStarted at", "not about what was rented"]),
        ("RentalConfirmed", "\"causation\":{\"event\":", "9000", ["follow from 9000", "not before it"]),
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
