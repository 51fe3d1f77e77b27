//! The trait that a plugin implements.

use crate::{BodyFlow, Error, Flow, Response, Result, Summary};
use serde::de::DeserializeOwned;

/// A plugin. Write the phases that you need; `#[plugin_sdk::plugin]` on the `impl` exports those and no others.
///
/// A phase that returns an error has *failed*, as one that panics: the error is logged, the instance is thrown away and the
/// `on_error` of the configuration decides what becomes of the request (503 by default). Refusing a request is no
/// failure: answer with [`Flow::Respond`].
pub trait Plugin: Sized + 'static {
    /// What is written in the configuration. Deny unknown fields, so that a typing error is found.
    type Config: DeserializeOwned;

    /// The phases that are written. `#[plugin]` fills it in.
    #[doc(hidden)]
    const PHASES: &'static [&'static str];

    /// Makes the plugin, once for each instance. Parse here what can be parsed: phases should find it done.
    ///
    /// # Errors
    /// In words, for the person who wrote the configuration: what is wrong and what to write.
    fn configure(config: Self::Config) -> Result<Self, String>;

    /// The request's head has arrived and its route is known.
    ///
    /// # Errors
    /// The plugin failed.
    fn on_request(&self) -> Result<Flow> {
        Ok(Flow::Next)
    }

    /// The whole body of the request, after [`Flow::AwaitBody`] in `on_request`.
    ///
    /// # Errors
    /// The plugin failed.
    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let _ = body;
        Ok(BodyFlow::Next)
    }

    /// Stands where the service would: for a route with `answer`.
    ///
    /// # Errors
    /// The plugin failed.
    fn handle(&self, body: Vec<u8>) -> Result<Response> {
        let _ = body;
        Err(Error::WrongPhase)
    }

    /// The response's head is known, whoever made it.
    ///
    /// # Errors
    /// The plugin failed.
    fn on_response(&self) -> Result<Flow> {
        Ok(Flow::Next)
    }

    /// The whole body of the response, after [`Flow::AwaitBody`] in `on_response`.
    ///
    /// # Errors
    /// The plugin failed.
    fn on_response_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let _ = body;
        Ok(BodyFlow::Next)
    }

    /// The response was sent, or given up. Nothing can be changed any more.
    fn on_complete(&self, summary: Summary) {
        let _ = summary;
    }
}
