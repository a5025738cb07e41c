//! Servers of this process that stand in for peers: any port, a thread of their own, stopped when dropped.

use std::{net::TcpListener, sync::mpsc, thread::JoinHandle};

use actix_web::{App, HttpServer, dev::ServerHandle, web::ServiceConfig};

pub struct Served {
    pub url: String,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Serves these routes on a free port of the loopback interface.
pub fn serve(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (started, ready) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || App::new().configure(routes.clone());
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
            started.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = ready.recv().expect("the server starts");
    Served { url, handle, thread: Some(thread) }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server stops in order");
        }
    }
}
