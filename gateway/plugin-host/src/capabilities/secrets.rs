//! `secrets`: values by name, among those granted.

use super::quoted;
use crate::abi::gateway::wit::secrets::Host;
use crate::abi::gateway::wit::types::Error;
use crate::grant::Capability;
use crate::state::State;

impl Host for State {
    fn get(&mut self, name: String) -> Result<String, Error> {
        let secrets = &self.settings.grants.secrets;
        match secrets.get(&name) {
            Some(value) => Ok(value.clone()),
            None => Err(self.denied(Capability::Secrets, &format!("the secret {}", quoted(&name)))),
        }
    }
}
