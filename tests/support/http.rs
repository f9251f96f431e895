//! The least of HTTP: one request to a connection.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use super::client::connect;

/// Gets a page, and returns the status line and the body.
#[track_caller]
pub(crate) fn get(from: SocketAddr, path: &str) -> (String, String) {
    get_over(connect(from), path)
}

/// The same over a connection.
#[track_caller]
pub(crate) fn get_over(stream: impl Read + Write, path: &str) -> (String, String) {
    try_get_over(stream, path).unwrap()
}

/// The same where it may fail.
#[track_caller]
pub(crate) fn try_get_over(
    mut stream: impl Read + Write,
    path: &str,
) -> io::Result<(String, String)> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.lines().next().unwrap().to_owned(), body.to_owned()))
}
