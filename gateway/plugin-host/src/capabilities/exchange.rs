//! `exchange`: who asks, what matched, and what plugins leave for each other.

use super::{invalid, quoted};
use crate::abi::gateway::wit::exchange::Host;
use crate::abi::gateway::wit::types::Error;
use crate::grant::Capability;
use crate::state::State;
use bytes::Bytes;
use gateway_core::attributes::{Attributes, Owner, SHARED};
use gateway_core::exchange::Stage;
use gateway_core::peer::FACTS;
use std::sync::Arc;

/// The name of an attribute, in bytes.
const NAME: usize = 128;

impl State {
    fn read_attribute(&self, name: &str) -> Option<&Bytes> {
        self.exchange.as_deref()?.attribute(&self.settings.name, name)
    }

    fn write_attribute(&mut self, name: &str, value: Bytes) -> Result<(), Error> {
        if name.is_empty() || name.len() > NAME || name.contains('/') {
            return Err(invalid(format!("an attribute's name has 1 to {NAME} bytes and no `/`")));
        }
        if name.starts_with(FACTS) {
            return Err(invalid(format!("attributes whose names begin with `{FACTS}` are the gateway's own")));
        }
        let owner = if !SHARED.contains(&name) {
            Owner::Plugin(Arc::clone(&self.settings.name))
        } else if self.settings.grants.identity {
            Owner::Shared
        } else {
            return Err(self.denied(Capability::Identity, &format!("the shared attribute `{name}`")));
        };
        self.attributes()?.write(owner, name, value).map_err(|full| Error::TooLarge(full.to_string()))
    }

    pub(crate) fn write_identity(&mut self, consumer: &str, claims: &str, groups: &str) -> Result<(), Error> {
        if !self.settings.grants.identity {
            return Err(self.denied(Capability::Identity, "`identify`"));
        }
        let written = self.attributes()?.identify(consumer, claims, groups);
        written.map_err(|full| Error::TooLarge(full.to_string()))
    }

    fn attributes(&mut self) -> Result<&mut Attributes, Error> {
        let exchange = self.exchange.as_deref_mut().filter(|exchange| exchange.stage != Stage::Complete);
        exchange.map(|exchange| &mut exchange.attributes).ok_or(Error::WrongPhase)
    }
}

impl Host for State {
    fn id(&mut self) -> String {
        self.request_id().to_owned()
    }

    fn route(&mut self) -> String {
        self.exchange.as_deref().map_or_else(String::new, |exchange| exchange.route.to_string())
    }

    fn param(&mut self, name: String) -> Option<String> {
        let parameters = &self.exchange.as_deref()?.parameters;
        parameters.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.clone())
    }

    fn params(&mut self) -> Vec<(String, String)> {
        self.exchange.as_deref().map_or_else(Vec::new, |exchange| {
            exchange.parameters.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
        })
    }

    fn client_address(&mut self) -> String {
        self.exchange.as_deref().map_or_else(String::new, |exchange| exchange.client.to_string())
    }

    fn set_upstream(&mut self, name: String) -> Result<(), Error> {
        if !self.settings.grants.set_upstream.contains(&name) {
            return Err(self.denied(Capability::SetUpstream, &format!("the upstream {}", quoted(&name))));
        }
        let exchange = self.sendable().ok_or(Error::WrongPhase)?;
        if !exchange.dispatch.has_upstream(&name) {
            return Err(invalid(format!("there is no upstream `{name}`")));
        }
        exchange.upstream = Some(name.into());
        Ok(())
    }

    fn attribute(&mut self, name: String) -> Option<String> {
        String::from_utf8(self.read_attribute(&name)?.to_vec()).ok()
    }

    fn attribute_bytes(&mut self, name: String) -> Option<Vec<u8>> {
        self.read_attribute(&name).map(|value| value.to_vec())
    }

    fn set_attribute(&mut self, name: String, value: String) -> Result<(), Error> {
        self.write_attribute(&name, value.into())
    }

    fn set_attribute_bytes(&mut self, name: String, value: Vec<u8>) -> Result<(), Error> {
        self.write_attribute(&name, value.into())
    }

    fn identify(&mut self, consumer: String, claims: String, groups: String) -> Result<(), Error> {
        self.write_identity(&consumer, &claims, &groups)
    }
}
