//! The vault, and rows of views.

use saem::ViewWrite;

use crate::{
    backend::Backend,
    samples::{erase, put, registered, restocks},
};

/// Keys of the vault below `prefix`.
async fn keys<B: Backend>(backend: &B, prefix: &str) -> Vec<String> {
    let found = backend.journal().vault_scan(prefix.to_owned()).await.unwrap();
    found.into_iter().map(|(key, _)| key).collect()
}

const FOUND: [&str; 3] = ["customer/", "customer/1", "customer/10"];

pub(crate) async fn the_vault_puts_gets_scans_and_erases<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let writes = ["session/2", "customer/10", "customer/1", "고객/1", "customer0", "customer/"];
    journal.vault_write(writes.map(|key| put(key, key)).to_vec()).await.unwrap();
    journal.vault_write(Vec::new()).await.unwrap();
    let get = |key: &str| journal.vault_get(key.to_owned());
    assert_eq!(get("customer/1").await.unwrap().as_deref(), Some(&b"customer/1"[..]));
    assert_eq!(get("customer/2").await, Ok(None));
    assert_eq!(get("customer").await, Ok(None), "a prefix is no key");
    let all = journal.vault_get_all(["고객/1", "customer/2", "customer0"].map(str::to_owned).to_vec()).await;
    let all = all.unwrap().into_iter().map(|value| value.map(|value| String::from_utf8(value).unwrap()));
    assert_eq!(all.collect::<Vec<_>>(), [Some("고객/1".to_owned()), None, Some("customer0".to_owned())]);
    assert_eq!(keys(&backend, "customer/").await, FOUND);
    assert_eq!(keys(&backend, "customer/1").await, ["customer/1", "customer/10"]);
    assert_eq!(keys(&backend, "고").await, ["고객/1"]);
    assert_eq!(keys(&backend, "x").await, [""; 0]);
    assert_eq!(keys(&backend, "").await.len(), writes.len());
    for (limit, expected) in [(0, &[][..]), (2, &["customer/", "customer/1"]), (9, &FOUND)] {
        let found = journal.vault_first("customer/".to_owned(), limit).await.unwrap();
        assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), expected, "{limit}");
    }
    let all = keys(&backend, "").await;
    for max in [1, 4, 9] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let more = journal.vault_after(after, max).await.unwrap();
            assert!(more.len() <= max);
            let Some((last, _)) = more.last() else { break };
            after = Some(last.clone());
            found.extend(more.into_iter().map(|(key, value)| {
                assert_eq!(key.as_bytes(), value);
                key
            }));
        }
        assert_eq!(found, all, "{max} at a time");
    }

    // The last write to a key counts; erasing a missing record is no error.
    let writes = vec![erase("customer/1"), put("session/2", "old"), put("session/2", ""), erase("nobody")];
    journal.vault_write(writes).await.unwrap();
    assert_eq!(get("session/2").await, Ok(Some(Vec::new())), "empty is not absent");
    let backend = backend.crashed().await;
    assert_eq!(keys(&backend, "customer/").await, ["customer/", "customer/10"]);
    assert_eq!(backend.journal().vault_get("session/2".to_owned()).await, Ok(Some(Vec::new())));
    assert_eq!(*backend.journal().head().borrow(), saem::Position(0));
}

pub(crate) async fn personal_data_is_durable_with_its_commit<B: Backend>() {
    let mut backend = B::begin();
    let mut product = registered(backend.journal(), 1, 0).await;
    for n in 0..10 {
        let mut commit = product.draft(restocks(1));
        commit.vault =
            vec![put(&format!("address/{n}"), "세종대로 110"), erase(&format!("address/{}", n - 1))];
        product.committed(&commit, backend.journal().commit(commit.clone()).await.unwrap());
        assert_eq!(keys(&backend, "address/").await, [format!("address/{n}")]);
        backend = if n % 2 == 0 { backend.crashed().await } else { backend.reopened().await };
        assert_eq!(backend.journal().load(product.id).await.unwrap().version, product.version);
        assert_eq!(keys(&backend, "address/").await, [format!("address/{n}")]);
    }
}

pub(crate) async fn views_put_get_scan_and_remove<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let row = |key: &[u8], value: &[u8]| -> ViewWrite { (key.to_vec(), Some(value.to_vec())) };
    let rows =
        [row(b"a/2", b"two"), row(b"a/1", b"one"), row(b"b", b""), row(b"a/\xff", b"last"), row(b"a", b"?")];
    journal.view_apply(rows.to_vec()).await.unwrap();
    assert_eq!(journal.view_get(b"a/1".to_vec()).await.unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(journal.view_get(b"b".to_vec()).await, Ok(Some(Vec::new())));
    assert_eq!(journal.view_get(b"a/3".to_vec()).await, Ok(None));
    for (from, to, limit, expected) in [
        (&b"a/"[..], &b"a0"[..], 9, &[&b"a/1"[..], b"a/2", b"a/\xff"][..]),
        (b"a/", b"a0", 2, &[b"a/1", b"a/2"]),
        (b"a/1", b"a/2", 9, &[b"a/1"]),
        (b"a/1\0", b"b", 9, &[b"a/2", b"a/\xff"]),
        (b"", b"\xff", 9, &[b"a", b"a/1", b"a/2", b"a/\xff", b"b"]),
        (b"", b"\xff", 0, &[]),
        (b"b", b"b", 9, &[]),
        (b"b", b"a", 9, &[]),
    ] {
        let found = journal.view_scan(from.to_vec(), to.to_vec(), limit).await.unwrap();
        let found: Vec<&[u8]> = found.iter().map(|(key, _)| &key[..]).collect();
        assert_eq!(found, expected, "{from:?}..{to:?}");
    }
    let keys_of = |keys: &[&str]| keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>();
    let all = journal.view_get_all(keys_of(&["a/2", "a/3", "a/2", "b"])).await.unwrap();
    let two = Some(b"two".to_vec());
    assert_eq!(all, [two.clone(), None, two, Some(Vec::new())], "in the order of the keys");
    assert_eq!(journal.view_get_all(Vec::new()).await, Ok(Vec::new()));

    let writes = vec![(b"a/1".to_vec(), None), row(b"a/2", b"2"), (b"nothing".to_vec(), None)];
    journal.view_apply(writes).await.unwrap();
    assert_eq!(journal.view_get(b"a/1".to_vec()).await, Ok(None));
    assert_eq!(journal.view_get(b"a/2".to_vec()).await, Ok(Some(b"2".to_vec())));
    assert_eq!(keys(&backend, "").await, [""; 0], "views are not the vault");

    // A commit makes earlier rows durable.
    registered(journal, 1, 0).await;
    let backend = backend.crashed().await;
    let found = backend.journal().view_scan(Vec::new(), vec![0xff], 9).await.unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(found[1], (b"a/2".to_vec(), b"2".to_vec()));
}

pub(crate) async fn listings_refer_to_rows<B: Backend>() {
    let backend = B::begin();
    let journal = backend.journal();
    let row = |key: &[u8], value: &[u8]| -> ViewWrite { (key.to_vec(), Some(value.to_vec())) };
    let rows =
        [row(b"l/1", b""), row(b"l/2", b""), row(b"l/3", b""), row(b"r/1", b"one"), row(b"r/3", b"three")];
    journal.view_apply(rows.to_vec()).await.unwrap();
    let leads_to = |key: &[u8]| [b"r/", &key[2..]].concat();
    for (from, to, limit, expected) in [
        (
            &b"l/"[..],
            &b"l0"[..],
            9,
            &[(&b"l/1"[..], Some(&b"one"[..])), (b"l/2", None), (b"l/3", Some(b"three"))][..],
        ),
        (b"l/", b"l0", 1, &[(b"l/1", Some(b"one"))]),
        (b"l/2", b"l/3", 9, &[(b"l/2", None)]),
        (b"l0", b"l/", 9, &[]),
    ] {
        let found = journal.view_list(from.to_vec(), to.to_vec(), limit, leads_to).await.unwrap();
        let found: Vec<_> = found.iter().map(|(key, row)| (&key[..], row.as_deref())).collect();
        assert_eq!(found, expected, "{from:?}..{to:?}");
    }
}
