//! Does what no plugin should. `x-do` of a request says what; `configure` of the configuration what goes wrong at the start.

mod deeds;
mod floods;

use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, request};
use serde::Deserialize;
use std::cell::{Cell, RefCell};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// `error`, `loop`, `panic` or `alloc`.
    configure: Option<String>,
    /// What is done where a request does not say it.
    #[serde(rename = "do")]
    deed: Option<String>,
}

struct Hostile {
    deed: Option<String>,
    calls: Cell<u32>,
    kept: RefCell<Vec<Vec<u8>>>,
}

#[plugin_sdk::plugin]
impl Plugin for Hostile {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        match config.configure.as_deref() {
            None => {}
            Some("error") => return Err("the configuration says that it is wrong".to_owned()),
            Some("loop") => deeds::endless(),
            Some("panic") => panic!("the configuration asks for it"),
            Some("alloc") => deeds::allocate(),
            Some(other) => return Err(format!("`configure`: `{other}` is not known")),
        }
        Ok(Self { deed: config.deed, calls: Cell::new(0), kept: RefCell::default() })
    }

    fn on_request(&self) -> Result<Flow> {
        let deed = request::header("x-do").or_else(|| self.deed.clone());
        Ok(match deed.as_deref() {
            None => Flow::Next,
            Some("loop") => deeds::endless(),
            Some("alloc") => deeds::allocate(),
            Some("recurse") => Response::text(200, deeds::recurse(1).to_string()).into(),
            Some("trap") => std::process::abort(),
            Some("panic") => panic!("the request asks for it"),
            Some("fail") => return Err(plugin_sdk::Error::Failed("the request asks for it".to_owned())),
            Some("host-loop") => deeds::endless_calls(),
            Some("big-headers") => floods::headers()?,
            Some("bad-header") => deeds::bad_headers()?,
            Some("bad-answer") => Response::new(200).header("x-split", "a\r\nx-b: c").into(),
            Some("bad-status") => Response::new(99).into(),
            Some("log-flood") => floods::log(),
            Some("metric-flood") => floods::metrics(),
            Some("kv-flood") => floods::kv()?,
            Some("huge-response") => Response::new(200).body(vec![b'x'; 16 << 20]).into(),
            Some("await-body") => Flow::AwaitBody,
            Some("remember") => self.remember(),
            Some("leak") => self.leak(),
            Some("consumer") => deeds::claim_to_be("root")?,
            Some(other) => Response::problem(400, &format!("x-do: {other} is not known")).into(),
        })
    }

    /// Says how long the body is.
    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        Ok(Response::text(200, body.len().to_string()).into())
    }
}

impl Hostile {
    /// Says how often this instance was asked.
    fn remember(&self) -> Flow {
        self.calls.update(|calls| calls + 1);
        Response::text(200, self.calls.get().to_string()).into()
    }

    /// Keeps one MiB more with each call, and says how many.
    fn leak(&self) -> Flow {
        let mut kept = self.kept.borrow_mut();
        kept.push(vec![1; 1 << 20]);
        Response::text(200, kept.len().to_string()).into()
    }
}
