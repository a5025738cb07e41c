//! A service of systemd: passed sockets, readiness, the watchdog.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use serde_json::json;

use crate::kit::{
    Client,
    binary::{Running, activated, inheritable, saem, url},
    operator_key,
};

/// The socket that receives notifications.
struct NotifySocket(UnixDatagram);

impl NotifySocket {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.0.recv(&mut buffer).expect("it tells in time");
        String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()
    }

    /// The next notification but for signs of life.
    fn next_news(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|told| told != "WATCHDOG=1").unwrap()
    }
}

#[tokio::test]
async fn systemd_is_notified_of_start_stop_and_hang() {
    let directory = tempfile::tempdir().unwrap();
    let told = NotifySocket::at(&directory.path().join("notify"));
    let data = directory.path().join("data");
    let mut command = saem(&data);
    command
        .env("NOTIFY_SOCKET", directory.path().join("notify"))
        .env("WATCHDOG_USEC", "300000")
        .env("SAEM_FAULTS__ENABLED", "true")
        .env("SAEM_LOG", "off");
    let (running, said) = Running::start(&mut command);
    assert_eq!([told.next(), told.next(), told.next()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    running.end();
    assert_eq!(told.next_news(), "STOPPING=1");
    drop(said);
    let (_running, said) = Running::start(&mut command);
    assert_eq!(told.next_news(), "READY=1");
    let operator = Client::of(url(&said), Some(operator_key(&data)));
    // A panic of the writer is noticed at once.
    let fault = json!({"target": {"kind": "store-writer"}, "mode": "PANIC"});
    operator.post("/v1/operations/faults", fault).await.expect(202);
    assert_eq!(told.next_news(), "WATCHDOG=trigger");
}

#[tokio::test]
async fn server_listens_on_a_passed_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = inheritable();
    let address = socket.local_addr().unwrap();
    let (running, said) = Running::start(&mut activated(&saem(directory.path()), &socket));
    assert_eq!(url(&said), format!("http://{address}"));
    Client::of(url(&said), None).get("/readyz").await.expect(200);
    running.end();
    let mut unfit = activated(&saem(directory.path()), &socket);
    unfit.env("SAEM_HTTP__OPERATIONS_LISTEN", "127.0.0.1:0").env("SAEM_LOG", "off");
    let (running, said) = Running::start(&mut unfit);
    assert!(said.iter().any(|line| line.contains("operations")), "it binds what was not passed");
    running.end();
}
