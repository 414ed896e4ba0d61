//! A server of the command, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::Duration;

use super::{Place, Ran, finish};

/// A server of this binary's workflows. It is killed at the end.
pub struct Served {
    pub place: Place,
    pub url: String,
    child: Option<Child>,
}

impl Served {
    pub fn begin(options: &[&str]) -> Served {
        let place = Place::new();
        let command = place.command(&[&["serve", "--port", "0"], options].concat());
        Served::by(place, command)
    }

    pub fn by(place: Place, mut command: Command) -> Served {
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Served { place, url: url.trim_end().to_owned(), child: Some(child) }
    }

    /// Ends it as its operator does.
    #[cfg(unix)]
    pub fn end(mut self) -> Ran {
        let child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        finish(child)
    }

    /// Sends a GET request with further lines in its head.
    pub fn ask(&self, path: &str, lines: &str) -> BufReader<TcpStream> {
        self.send("GET", path, lines, "")
    }

    /// The whole reply to a POST request of JSON.
    pub fn post(&self, path: &str, lines: &str, body: &str) -> String {
        let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n{lines}", body.len());
        let mut reply = String::new();
        self.send("POST", path, &lines, body).read_to_string(&mut reply).unwrap();
        reply
    }

    fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> BufReader<TcpStream> {
        let port = self.url.rsplit(':').next().unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n{body}").unwrap();
        BufReader::new(stream)
    }

    /// The whole reply.
    pub fn reply(&self, path: &str, lines: &str) -> String {
        let mut reply = String::new();
        self.ask(path, lines).read_to_string(&mut reply).unwrap();
        reply
    }

    /// A command on the server, from a folder that has no store.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.place.command(args);
        command.env_remove("STEPCAST_STORE").env("STEPCAST_SERVER", &self.url).env("HOME", "/nonexistent");
        finish(command.spawn().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
