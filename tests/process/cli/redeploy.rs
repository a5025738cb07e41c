//! Replacing a server under load: no request fails.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::kit::binary::{Running, activated, inheritable, saem};

const CLIENTS: usize = 8;
const RESTARTS: usize = 3;
/// Answers before the next restart.
const BETWEEN: u64 = 500;

/// Sends a request on a kept connection; returns true if the connection is kept further.
fn ask(connection: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    connection.get_mut().write_all(b"GET /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n")?;
    let (mut length, mut keeps, mut line) = (0, true, String::new());
    connection.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(std::io::Error::other(format!("answered {line:?}")));
    }
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(("connection", "close")) => keeps = false,
            _ if header.is_empty() => break,
            _ => {}
        }
    }
    connection.read_exact(&mut vec![0; length])?;
    Ok(keeps)
}

/// Sends requests until `stop`; the first failure ends it.
fn customer(address: SocketAddr, stop: &AtomicBool, answers: &AtomicU64) -> std::io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut connection = BufReader::new(connection);
        while !stop.load(Ordering::Relaxed) {
            let keeps = ask(&mut connection)?;
            answers.fetch_add(1, Ordering::Relaxed);
            if !keeps {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn no_request_fails_while_the_server_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let socket = inheritable();
    let address = socket.local_addr().unwrap();
    let mut command = saem(directory.path());
    command.args(["--demo"]).env("SAEM_LIMITS__REQUESTS_PER_SECOND", "0");
    let start = || Running::start(&mut activated(&command, &socket)).0;
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut running = start();
    let customers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            thread::spawn(move || customer(address, &stop, &answers))
        })
        .collect();
    let goes_on = || {
        let before = answers.load(Ordering::Relaxed);
        while answers.load(Ordering::Relaxed) < before + BETWEEN && customers.iter().any(|c| !c.is_finished())
        {
            thread::yield_now();
        }
    };
    for _ in 0..RESTARTS {
        goes_on();
        running.end();
        running = start();
    }
    goes_on();
    stop.store(true, Ordering::Relaxed);
    let ended: Vec<_> = customers.into_iter().map(|customer| customer.join().unwrap()).collect();
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    running.end();
}
