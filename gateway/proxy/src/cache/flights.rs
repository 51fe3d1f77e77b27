//! One request asks the service, the others like it wait for what it brings.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What became of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// It is under way.
    None,
    /// Look what is stored now.
    Stored,
    /// What it brought is its own; each asks for itself, all at once.
    Own,
    /// The service cannot be reached, or says that it is in trouble.
    Failed,
    /// Nobody flies any more; another one may.
    Abandoned,
}

/// Requests under way, by their keys.
#[derive(Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Vec<u8>, watch::Receiver<Landing>>>>);

/// The one that flies. Dropped without a word, it has given up.
pub(crate) struct Flight {
    key: Vec<u8>,
    landing: watch::Sender<Landing>,
    flights: Arc<Mutex<HashMap<Vec<u8>, watch::Receiver<Landing>>>>,
}

/// Who flies for a key.
pub(crate) enum Boarding {
    /// Whoever asks.
    Flies(Flight),
    /// Another one.
    Waits(watch::Receiver<Landing>),
}

impl Flights {
    pub(crate) fn board(&self, key: &[u8]) -> Boarding {
        let mut flights = self.0.lock();
        if let Some(landing) = flights.get(key) {
            return Boarding::Waits(landing.clone());
        }
        let (sender, receiver) = watch::channel(Landing::None);
        flights.insert(key.to_vec(), receiver);
        Boarding::Flies(Flight { key: key.to_vec(), landing: sender, flights: Arc::clone(&self.0) })
    }
}

impl Flight {
    /// Tells those who wait.
    pub(crate) fn land(self, landing: Landing) {
        // Whoever looks from now on finds what was stored, and no flight.
        self.flights.lock().remove(&self.key);
        self.landing.send_replace(landing);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if *self.landing.borrow() == Landing::None {
            self.flights.lock().remove(&self.key);
            self.landing.send_replace(Landing::Abandoned);
        }
    }
}

/// Waits until a flight has landed.
pub(crate) async fn landed(mut landing: watch::Receiver<Landing>) -> Landing {
    match landing.wait_for(|landing| *landing != Landing::None).await {
        Ok(landing) => *landing,
        Err(_) => Landing::Abandoned,
    }
}
