//! The component's side: what `#[plugin]` expands to. Not for plugins.

use crate::{BodyFlow, Error, Flow, Plugin, Response, Summary, config};
use std::cell::OnceCell;
use std::fmt::Display;
use std::marker::PhantomData;
use std::process::abort;
use std::thread::LocalKey;

/// The types of the WIT's `types`, as the SDK writes them.
pub mod types {
    pub use crate::{BodyFlow, Error, Field, Flow, Response};
}

/// A plugin with its one place in the component.
pub trait Single: Plugin {
    /// Filled by `configure`, which the gateway calls before anything else.
    fn instance() -> &'static LocalKey<OnceCell<Self>>;
}

/// The exports of a plugin.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

/// Bindings for one phase: its trait, and a macro that exports it and nothing else.
macro_rules! phase {
    ($module:ident, $world:literal $(, $name:literal as $with:path)?) => {
        #[expect(missing_docs, reason = "generated")]
        pub mod $module {
            wit_bindgen::generate!({
                path: "wit",
                world: $world,
                with: { $($name: $with)? },
                pub_export_macro: true,
            });
        }
    };
}

phase!(configure, "configure");
phase!(on_request, "on-request", "gateway:plugin/types@0.1.0" as crate::guest::types);
phase!(on_request_body, "on-request-body", "gateway:plugin/types@0.1.0" as crate::guest::types);
phase!(handle, "handle", "gateway:plugin/types@0.1.0" as crate::guest::types);
phase!(on_response, "on-response", "gateway:plugin/types@0.1.0" as crate::guest::types);
phase!(on_response_body, "on-response-body", "gateway:plugin/types@0.1.0" as crate::guest::types);
phase!(on_complete, "on-complete", "gateway:plugin/on-complete@0.1.0/summary" as crate::Summary);

impl<P: Single> configure::exports::gateway::plugin::configure::Guest for Component<P> {
    fn configure() -> Result<(), String> {
        std::panic::set_hook(Box::new(|panic| crate::error!("{panic}")));
        let plugin = P::configure(config::parse(&crate::sys::config::get())?)?;
        P::instance().with(|instance| instance.set(plugin)).map_err(|_| "configured twice".to_owned())
    }
}

impl<P: Single> on_request::exports::gateway::plugin::on_request::Guest for Component<P> {
    fn on_request() -> Flow {
        call("on_request", P::on_request)
    }
}

impl<P: Single> on_request_body::exports::gateway::plugin::on_request_body::Guest for Component<P> {
    fn on_request_body(body: Vec<u8>) -> BodyFlow {
        call("on_request_body", |plugin: &P| plugin.on_request_body(body))
    }
}

impl<P: Single> handle::exports::gateway::plugin::handle::Guest for Component<P> {
    fn handle(body: Vec<u8>) -> Response {
        call("handle", |plugin: &P| plugin.handle(body))
    }
}

impl<P: Single> on_response::exports::gateway::plugin::on_response::Guest for Component<P> {
    fn on_response() -> Flow {
        call("on_response", P::on_response)
    }
}

impl<P: Single> on_response_body::exports::gateway::plugin::on_response_body::Guest for Component<P> {
    fn on_response_body(body: Vec<u8>) -> BodyFlow {
        call("on_response_body", |plugin: &P| plugin.on_response_body(body))
    }
}

impl<P: Single> on_complete::exports::gateway::plugin::on_complete::Guest for Component<P> {
    fn on_complete(summary: Summary) {
        call("on_complete", |plugin: &P| {
            plugin.on_complete(summary);
            Ok(())
        })
    }
}

/// Calls a phase of the plugin. A failure ends in a trap: only so does `on_error` decide what becomes of the request.
fn call<P: Single, T>(phase: &str, call: impl FnOnce(&P) -> Result<T, Error>) -> T {
    P::instance().with(|instance| match instance.get() {
        Some(plugin) => call(plugin).unwrap_or_else(|error| fail(phase, &error)),
        None => fail(phase, &"called before `configure`"),
    })
}

fn fail(phase: &str, reason: &dyn Display) -> ! {
    crate::error!("{phase} failed: {reason}");
    abort()
}
