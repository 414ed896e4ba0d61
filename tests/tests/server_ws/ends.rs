//! Sockets that end: the client is silent, or the server ends.

use super::*;

#[tokio::test]
async fn a_client_that_is_silent_is_asked_and_then_left() {
    bounded(async {
        // One that answers, as every client does that reads, stays: more pings come than a silent one gets.
        let options = ServerOptions::new().heartbeat(Duration::from_millis(400));
        let served = Served::with("memory", Runtime::new(), options).await;
        let mut client = Client::connect(&served, "/ws").await;
        for _ in 0..4 {
            assert!(matches!(client.0.next().await.unwrap().unwrap(), Message::Ping(_)));
        }
        assert_eq!(client.ask(json!({ "op": "ping" })).await["op"], "pong");

        // One that never answers is left: its connection ends.
        let options = ServerOptions::new().heartbeat(Duration::from_millis(20));
        let served = Served::with("memory", Runtime::new(), options).await;
        let mut raw = TcpStream::connect(served.url.trim_start_matches("http://")).await.unwrap();
        let request = "GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        raw.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        raw.read_to_end(&mut all).await.unwrap();
        assert!(all.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&all));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_ends_closes_its_sockets_with_1001() {
    bounded(async {
        let runtime = Runtime::new();
        stepcast_examples::flows::register(&runtime).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // The run waits for a person for ever, so its end is not waited for.
        let options = ServerOptions::new().shutdown_deadline(Duration::from_millis(100));
        let server = Server::new(runtime).with_options(options).serve_until(listener, async {
            let _ = stopped.await;
        });
        let server = tokio::spawn(server);
        let mut client = Client(connect_async(url).await.unwrap().0);
        let start = json!({ "op": "start", "workflow": "approval", "input": { "text": "x" } });
        assert_eq!(client.ask(start).await["op"], "started");
        assert_eq!(client.next().await["type"], "ApprovalNeeded");
        stop.send(()).unwrap();
        let Message::Close(Some(close)) = client.message().await else { panic!("the socket is open") };
        assert_eq!(u16::from(close.code), 1001);
        assert!(client.0.next().await.is_none_or(|end| end.is_err()));
        server.await.unwrap().unwrap();
    })
    .await;
}
