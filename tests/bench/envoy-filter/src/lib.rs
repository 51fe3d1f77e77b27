//! The benchmark's key check for Envoy: refuses requests without the known key, takes the key out, names the consumer.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::collections::HashMap;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Keys::default()));
}}

/// The consumers by their keys, as the plugin's configuration lists them: `key consumer`, one a line.
#[derive(Default)]
struct Keys(Rc<HashMap<String, String>>);

/// One request.
struct Check(Rc<HashMap<String, String>>);

impl Context for Keys {}

impl RootContext for Keys {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        self.0 = Rc::new(pairs.map(|(key, consumer)| (key.to_owned(), consumer.to_owned())).collect());
        true
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Check(Rc::clone(&self.0))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Check {}

impl HttpContext for Check {
    fn on_http_request_headers(&mut self, _count: usize, _is_last: bool) -> Action {
        let key = self.get_http_request_header("x-api-key");
        let Some(consumer) = key.and_then(|key| self.0.get(&key)) else {
            self.send_http_response(401, vec![], None);
            return Action::Pause;
        };
        self.set_http_request_header("x-api-key", None);
        self.set_http_request_header("x-consumer", Some(consumer));
        Action::Continue
    }
}
