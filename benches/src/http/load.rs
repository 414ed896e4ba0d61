//! Clients that cost little: written by hand over sockets, so that the server is what is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request as its bytes.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").into_bytes()
}

/// Sends a request so many times over so many connections, one after the other on each, and gives the time.
pub fn requests(address: SocketAddr, request: &[u8], total: u64, connections: usize) -> Duration {
    on_own_thread(async move {
        let mut streams = Vec::new();
        for _ in 0..connections {
            streams.push(connect(address).await);
        }
        let each = total / connections as u64;
        let start = Instant::now();
        let clients = streams.into_iter().map(|mut stream| async move {
            let mut buffer = Vec::with_capacity(4096);
            for _ in 0..each {
                let (status, _) = ask(&mut stream, request, &mut buffer).await;
                assert_eq!(status, 200, "the answer: {}", String::from_utf8_lossy(&buffer));
            }
        });
        futures::future::join_all(clients).await;
        start.elapsed()
    })
}

/// One request on a connection of its own: its status and body.
pub fn once(address: SocketAddr, request: &[u8]) -> (u16, String) {
    on_own_thread(async move {
        let mut buffer = Vec::new();
        let (status, body) = ask(&mut connect(address).await, request, &mut buffer).await;
        (status, String::from_utf8_lossy(&buffer[body..]).into_owned())
    })
}

/// Reads a stream to its end with so many clients and gives the time; each has to see so many events.
pub fn streams(address: SocketAddr, request: &[u8], events: u64, readers: usize) -> Duration {
    on_own_thread(async move {
        let start = Instant::now();
        let clients = (0..readers).map(|_| async move {
            let mut stream = connect(address).await;
            stream.write_all(request).await.expect("a request");
            let (mut buffer, mut seen, mut ended) = (vec![0; 64 * 1024], 0, false);
            while !ended {
                let read = stream.read(&mut buffer).await.expect("the stream");
                assert!(read > 0, "the stream broke after {seen} events");
                seen += buffer[..read].windows(6).filter(|window| window == b"data: ").count() as u64;
                // The last chunk of a chunked body.
                ended = buffer[..read].ends_with(b"0\r\n\r\n");
            }
            // One that lies across two reads is not seen; that is rare and the same for all.
            assert!(seen + seen / 50 + 8 >= events, "{seen} of {events} events");
        });
        futures::future::join_all(clients).await;
        start.elapsed()
    })
}

pub async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

/// The status of the answer, and where its body begins in the buffer.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> (u16, usize) {
    stream.write_all(request).await.expect("a request");
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("an answer");
        assert!(read > 0, "the connection broke");
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).expect("headers");
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
        });
        if buffer.len() >= head + 4 + length.unwrap_or(0) {
            return (text[9..12].parse().expect("a status"), head + 4);
        }
    }
}

/// The load has a thread of its own, beside the server's workers.
fn on_own_thread<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(work)
        });
        load.join().expect("the load does not panic")
    })
}
