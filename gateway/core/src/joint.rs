//! What a plugin that streams changes of an exchange while it is at work: it has no exchange of its own to hand back.

use crate::attributes::Attributes;
use crate::exchange::Exchange;
use crate::limit::Slot;
use parking_lot::{Mutex, MutexGuard};
use std::mem::swap;
use std::sync::Arc;

/// Held by the pipeline and by the plugin; empty once the plugin has answered.
#[derive(Debug, Default)]
pub struct Joint(Mutex<Option<Part>>);

/// What both may change.
#[derive(Debug, Default)]
pub struct Part {
    /// What plugins left for each other.
    pub attributes: Attributes,
    /// The upstream that a plugin chose.
    pub upstream: Option<Arc<str>>,
    /// Places that plugins took; the exchange's own are not among them.
    pub slots: Vec<Slot>,
}

impl Joint {
    /// What an exchange has now.
    #[must_use]
    pub fn new(exchange: &Exchange) -> Arc<Self> {
        let (attributes, upstream) = (exchange.attributes.clone(), exchange.upstream.clone());
        Arc::new(Self(Mutex::new(Some(Part { attributes, upstream, slots: Vec::new() }))))
    }

    /// For as long as this lives, the other side waits: never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Option<Part>> {
        self.0.lock()
    }

    /// The exchange has what the plugin left until now.
    pub fn read(&self, exchange: &mut Exchange) {
        if let Some(part) = &mut *self.0.lock() {
            exchange.attributes.clone_from(&part.attributes);
            exchange.upstream.clone_from(&part.upstream);
            exchange.slots.append(&mut part.slots);
        }
    }

    /// The plugin sees what the rest of its chain left.
    pub fn write(&self, exchange: &Exchange) {
        if let Some(part) = &mut *self.0.lock() {
            part.attributes.clone_from(&exchange.attributes);
        }
    }

    /// The plugin has answered: what it left is the exchange's, and it changes nothing any more.
    pub fn end(&self, exchange: &mut Exchange) {
        self.read(exchange);
        *self.0.lock() = None;
    }
}

impl Part {
    /// Gives an exchange these in place of its own, or takes them back.
    pub fn swap(&mut self, exchange: &mut Exchange) {
        swap(&mut self.attributes, &mut exchange.attributes);
        swap(&mut self.upstream, &mut exchange.upstream);
    }
}
