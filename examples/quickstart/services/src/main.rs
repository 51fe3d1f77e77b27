//! The services of a small shop, for trying the gateway: `shop catalogue|basket|ordering PORT`.
//!
//! Each is a process of its own that knows a few paths and logs what it is asked. Not here: anything about the gateway.

mod data;
mod http;

use data::Service;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match arguments.as_slice() {
        [service, port] => Service::named(service).zip(port.parse().ok()),
        _ => None,
    };
    let Some((service, port)) = parsed else {
        say("usage: shop catalogue|basket|ordering PORT");
        return ExitCode::from(2);
    };
    match serve(service, port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{service} cannot serve port {port}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(service: Service, port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            // A client that goes away in the middle of something ends its connection and nothing else.
            let _ = http::converse(&stream, |request| {
                let answer = service.answer(request);
                say(&format!(
                    "{service}: {} {} from {} -> {}",
                    request.method, request.path, request.consumer, answer.status
                ));
                answer
            });
        });
    }
    Ok(())
}

fn say(line: &str) {
    // At once, so that lines of several threads do not mix; there is nobody to tell when standard error is closed.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
