//! Load drill: siege with 110 users for 30 s, browsing first, then renting.

use std::{error::Error, path::Path, time::Duration};

use crate::{
    calls::FEE_WON,
    process::Server,
    shop::Shop,
    siege::{Siege, besiege},
};

const USERS: usize = 110;
/// Interval between checks for unfinished rentals.
const POLL: Duration = Duration::from_millis(200);
const POLLS_MAX: u32 = 300;

pub async fn drill(seconds: u64) -> Result<(), Box<dyn Error>> {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let server = Server::saem(&work.path().join("data"), &[])?;
    let shop = Shop::prepare(&server.address, 1).await?;
    let [browse, rent] = ["products", "rentals"].map(|path| format!("http://{}/v1/{path}", server.address));
    let browsing = besiege(siege(work.path(), &browse, None, seconds)).await?;
    let order = shop.place(&shop.tokens[0]).body.ok_or("an order has a body")?;
    let post = Some((shop.tokens[0].as_str(), std::str::from_utf8(&order)?));
    let renting = besiege(siege(work.path(), &rent, post, seconds)).await?;
    println!("| siege -c{USERS} -t{seconds}S | browsing | renting |");
    println!("| --- | --- | --- |");
    for (title, name) in [
        ("requests", "transactions"),
        ("failed", "failed_transactions"),
        ("availability, %", "availability"),
        ("requests per second", "transaction_rate"),
        ("longest, s", "longest_transaction"),
    ] {
        println!("| {title} | {} | {} |", browsing.figure(name), renting.figure(name));
    }
    let rented = settled(&shop).await?;
    println!("\n{rented} rentals: as many captured, and as many units taken from the stock");
    let answered = renting.figure("transactions");
    if !(browsing.nothing_failed() && renting.nothing_failed()) {
        return Err("requests failed".into());
    }
    // siege closes its connections in the middle of its last requests, which may have placed rentals that it
    // did not count.
    if (rented as f64) < answered {
        return Err(format!("{rented} rentals for {answered} answers").into());
    }
    Ok(())
}

fn siege<'a>(work: &'a Path, url: &'a str, post: Option<(&'a str, &'a str)>, seconds: u64) -> Siege<'a> {
    Siege { work, url, post, customers: USERS, seconds, pausing: false }
}

/// Waits until the stock reflects all paid rentals. Returns the number of these rentals.
async fn settled(shop: &Shop) -> Result<u64, Box<dyn Error>> {
    let (mut captured, mut taken) = (0, 0);
    for _ in 0..POLLS_MAX {
        (captured, taken) = (shop.captured_won().await?, shop.taken().await?);
        if captured == taken * FEE_WON {
            return Ok(taken);
        }
        tokio::time::sleep(POLL).await;
    }
    Err(format!("{captured} won were captured, and {taken} units taken").into())
}
