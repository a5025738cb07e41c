//! The bare server, the baseline of all figures: the same HTTP server, JSON and store, without a shop.
//!
//! | call | action |
//! | --- | --- |
//! | `GET /hello` | a small JSON answer |
//! | `POST /commit` | one durable commit of two keys, grouped with the other waiting commits |
//! | `POST /saga` | five such commits, one after the other, as many as a rental has |

use std::{error::Error, fs::File, path::Path, sync::mpsc};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};
use tikv_jemallocator::Jemalloc;
use tokio::sync::oneshot;

/// The server's allocator, so that neither the load nor the bare server is slower because of another one.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Maximum number of commits in one group.
const GROUP_MAX: usize = 1_024;
/// Typical sizes of a commit and a snapshot of Saem.
const COMMIT_BYTES: usize = 160;
const SNAPSHOT_BYTES: usize = 200;
/// Commits of one rental, from the order to the unit taken from stock.
const COMMITS_A_SAGA: usize = 5;

#[derive(Serialize)]
struct Hello {
    hello: &'static str,
}

/// Body of a POST, the same as a restock's.
#[derive(Deserialize)]
struct Quantity {
    quantity: u32,
}

#[derive(Serialize)]
struct Committed {
    committed: u64,
}

type Reply = oneshot::Sender<u64>;

/// Serves until the process is killed.
pub fn serve(directory: &Path) -> Result<(), Box<dyn Error>> {
    let commits = start_writer(directory)?;
    actix_web::rt::System::new().block_on(async {
        let app = move || {
            App::new()
                .app_data(web::Data::new(commits.clone()))
                .route("/hello", web::get().to(async || web::Json(Hello { hello: "world" })))
                .route("/commit", web::post().to(commit))
                .route("/saga", web::post().to(saga))
        };
        let server = HttpServer::new(app).bind("127.0.0.1:0")?;
        for address in server.addrs() {
            println!("bare listens on http://{address}");
        }
        Ok(server.run().await?)
    })
}

/// Starts the only thread that writes to the store.
fn start_writer(directory: &Path) -> Result<mpsc::Sender<Reply>, Box<dyn Error>> {
    let db = sled::Config::new().path(directory).flush_every_ms(None).open()?;
    let file = File::options().write(true).open(directory.join("db"))?;
    let (commits, queue) = mpsc::channel::<Reply>();
    std::thread::spawn(move || {
        let mut next = 0_u64;
        while let Ok(first) = queue.recv() {
            let group: Vec<Reply> = std::iter::once(first).chain(queue.try_iter()).take(GROUP_MAX).collect();
            let mut batch = sled::Batch::default();
            let from = next;
            for _ in &group {
                batch.insert([b"j".as_slice(), &next.to_be_bytes()].concat(), vec![0; COMMIT_BYTES]);
                batch.insert([b"s".as_slice(), &next.to_be_bytes()].concat(), vec![0; SNAPSHOT_BYTES]);
                next += 1;
            }
            db.apply_batch(batch).expect("the disk takes it");
            db.flush().expect("the disk takes it");
            file.sync_data().expect("the disk takes it");
            group.into_iter().zip(from..).for_each(|(reply, number)| {
                let _ = reply.send(number);
            });
        }
    });
    Ok(commits)
}

async fn durable(commits: &mpsc::Sender<Reply>) -> u64 {
    let (reply, answer) = oneshot::channel();
    commits.send(reply).expect("the writer is there");
    answer.await.expect("the writer answers")
}

async fn commit(commits: web::Data<mpsc::Sender<Reply>>, body: web::Json<Quantity>) -> HttpResponse {
    let committed = durable(&commits).await + u64::from(body.quantity);
    HttpResponse::Ok().json(Committed { committed })
}

async fn saga(commits: web::Data<mpsc::Sender<Reply>>, body: web::Json<Quantity>) -> HttpResponse {
    let mut committed = u64::from(body.quantity);
    for _ in 0..COMMITS_A_SAGA {
        committed = durable(&commits).await;
    }
    HttpResponse::Created().json(Committed { committed })
}
