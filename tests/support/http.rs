//! The least of HTTP: one request to a connection.

use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use super::client::{connect, read_to_end};

/// Gets a page, and returns the status line and the body.
#[track_caller]
pub(crate) fn get(from: SocketAddr, path: &str) -> (String, String) {
    get_over(connect(from), path)
}

/// The same over a connection.
#[track_caller]
pub(crate) fn get_over(mut stream: impl Read + Write, path: &str) -> (String, String) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let answer = String::from_utf8(read_to_end(stream)).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}
