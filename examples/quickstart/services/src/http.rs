//! As much of HTTP/1.1 as a gateway asks of a service: requests with a Content-Length or none, kept connections.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Result, Write as _};
use std::net::TcpStream;

/// What a service looks at.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// Who asks, as the gateway says in `x-consumer`.
    pub(crate) consumer: String,
}

/// A status and JSON.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Answers request after request until the peer closes.
pub(crate) fn converse(stream: &TcpStream, answer: impl Fn(&Request) -> Answer) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        write(stream, &answer(&request))?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<&TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();

    let mut consumer = "nobody".to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field)?;
        let Some((name, value)) = field.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or_default(),
            "x-consumer" => value.trim().clone_into(&mut consumer),
            _ => {}
        }
    }
    // These services have no use for a body.
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    Ok(Some(Request { method, path, consumer }))
}

fn write(mut stream: &TcpStream, answer: &Answer) -> Result<()> {
    let body = format!("{}\n", answer.body);
    let head = format!(
        "HTTP/1.1 {} \r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        answer.status,
        body.len()
    );
    stream.write_all((head + &body).as_bytes())
}
