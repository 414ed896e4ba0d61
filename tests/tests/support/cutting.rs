//! A proxy that cuts connections in the middle of what is said.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes on so many bytes of each connection's replies, then closes it. It ends with its value.
pub struct CuttingProxy {
    pub url: String,
    cuts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    pub async fn before(server: &str, after: usize) -> Self {
        let to = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cuts = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, counter) = (to.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    if pass_on(client, &to, after).await {
                        counter.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        CuttingProxy { url, cuts, task }
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the connection was cut.
async fn pass_on(client: TcpStream, to: &str, after: usize) -> bool {
    let Ok(server) = TcpStream::connect(to).await else { return false };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut left = after;
    let mut buffer = vec![0; 4096];
    while left > 0 {
        let room = left.min(buffer.len());
        let Ok(read) = from_server.read(&mut buffer[..room]).await else { break };
        if read == 0 || to_client.write_all(&buffer[..read]).await.is_err() {
            break;
        }
        left -= read;
    }
    // Both halves go, and with them the connection.
    asking.abort();
    left == 0
}
