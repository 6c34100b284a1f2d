//! A small web server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// A web server that gives each caller one of these answers, in turn, and is gone then; its address.
pub fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            // Who has heard enough hangs up.
            let _ = stream.write_all(&answer);
        }
    });
    address
}

/// What a server says whose body should have this length.
pub fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}
