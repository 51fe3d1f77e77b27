//! `config`: the plugin's own table.

use crate::abi::gateway::wit::config::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self) -> String {
        self.settings.config.clone()
    }
}
