//! Attacks by bytes: what clients and services send that may be read in two ways, and what must come of it. A strict service on one side
//! and a strict client on the other decide; a table says what is expected.

mod answers;
mod downgrade;
mod framing;
mod paths;
mod syntax;

use gateway_tests::{Recorder, TestGateway, strict};
use std::fmt::Write as _;

/// What stands behind an attack in the hope that somebody takes it for a request.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// Bytes of a client, the statuses that come back before the connection ends, and what has reached the service, in short.
pub(crate) struct Case {
    sent: Vec<u8>,
    statuses: &'static [u16],
    reached: Vec<String>,
}

/// Refused: 400, the connection is closed, and nothing has reached the service.
pub(crate) fn refused(sent: impl Into<Vec<u8>>) -> Case {
    Case { sent: sent.into(), statuses: &[400], reached: Vec::new() }
}

/// Taken, and passed on as this.
pub(crate) fn passed(sent: impl Into<Vec<u8>>, statuses: &'static [u16], reached: &[&str]) -> Case {
    Case { sent: sent.into(), statuses, reached: reached.iter().map(|short| (*short).to_owned()).collect() }
}

/// Each on a connection of its own; all that is wrong is told at once.
pub(crate) fn play(what: &str, gateway: &TestGateway, recorder: &Recorder, cases: &[Case]) {
    let mut wrong = String::new();
    for Case { sent, statuses, reached } in cases {
        let shown = String::from_utf8_lossy(sent).chars().take(300).collect::<String>();
        let mut client = gateway.client();
        client.send(sent);
        client.half_close();
        let answered = strict::answers(&client.rest(), &["GET"; 8]);
        let seen = recorder.take(&shown);
        let answered = match answered {
            Ok(read) => read.messages.iter().map(strict::Message::status).collect::<Vec<_>>(),
            Err(why) => {
                let _ = writeln!(wrong, "{shown:?}\n    the client got {why:?}");
                continue;
            }
        };
        let mut expected = reached.clone();
        expected.sort();
        if answered != *statuses || seen.short() != expected {
            let _ = writeln!(
                wrong,
                "{shown:?}\n    answered {answered:?}, not {statuses:?}; reached {:?}, not {expected:?}",
                seen.short()
            );
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{wrong}");
    assert_eq!(gateway.get("/after").status, 200, "{what}");
    assert_eq!(recorder.take_when(what, 1).short(), ["GET /after"], "{what}");
    assert_eq!(gateway.counter("requests.panicked"), 0, "{what}");
}

/// A gateway before a strict service.
pub(crate) fn served() -> (Recorder, TestGateway) {
    let recorder = Recorder::start();
    let gateway = TestGateway::start(&recorder.config());
    (recorder, gateway)
}
