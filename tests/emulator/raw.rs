//! A client that sends what it is told and hides nothing: the answer as it came over the wire.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `support::USER` and `support::PASSWORD`.
pub const LOGIN: &str = "Authorization: Basic dXNlcjpzM2NyZXQ6IHdpdGglb2RkK2NoYXJhY3RlcnM=";

/// An answer. A connection that closed before one came has the status 0.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// All of the body that the head told of is there.
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The status and the exception: `409 DuplicateName`; `503 html` for a page of the proxy.
    pub fn says(&self) -> String {
        let text = self.text();
        let name = match text.split_once("<s:exception>") {
            Some((_, rest)) => rest.split_once("</s:exception>").unwrap().0,
            None if text.starts_with("<html>") && text.contains("nginx") => "html",
            None => "",
        };
        format!("{} {name}", self.status).trim_end().to_owned()
    }
}

/// A connection that stays open.
pub struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").split('/').next().unwrap();
        Self { stream: TcpStream::connect(host).await.unwrap(), read: Vec::new() }
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for header in headers {
            head += header;
            head += "\r\n";
        }
        // The server may have closed the connection; the answer tells.
        let _ = self.stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await;
        self.answer(method == "HEAD").await
    }

    async fn more(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.read);
        let read = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time");
        read.is_ok_and(|bytes| bytes > 0)
    }

    async fn answer(&mut self, is_head: bool) -> Answer {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await {
                return Answer::default();
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, whole: true, ..Answer::default() };
        let told = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if answer.header("transfer-encoding").is_some() {
            // Without an end, as far as these tests go.
            while self.read.len() < 1 << 20 && self.more().await {}
            answer.whole = false;
            return answer;
        }
        if is_head {
            return answer;
        }
        while self.read.len() < told && self.more().await {}
        answer.whole = self.read.len() >= told;
        answer.body = self.read.drain(..told.min(self.read.len())).collect();
        answer
    }

    /// Whether the server has closed the connection, or does so soon.
    pub async fn is_closed(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.read);
        tokio::time::timeout(Duration::from_millis(300), reading)
            .await
            .is_ok_and(|read| read.is_ok_and(|n| n == 0))
    }
}

/// One request with the login on a connection of its own; the length of a body is told.
pub async fn ask(url: &str, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Answer {
    let length = format!("Content-Length: {}", body.len());
    let mut all = vec![LOGIN];
    if method == "PUT" || !body.is_empty() {
        all.push(&length);
    }
    all.extend_from_slice(headers);
    Peer::connect(url).await.ask(method, target, &all, body).await
}
