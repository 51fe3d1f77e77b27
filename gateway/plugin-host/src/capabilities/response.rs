//! `response`: what is read and changed of the response.

use super::fields::{self, Joined};
use super::invalid;
use crate::abi::gateway::convert;
use crate::abi::gateway::wit::response::Host;
use crate::abi::gateway::wit::types::{Error, Field};
use crate::state::State;
use gateway_core::exchange::Response;
use http::HeaderMap;

impl State {
    pub(crate) fn response(&self) -> Option<&Response> {
        self.exchange.as_deref()?.response.as_ref()
    }

    fn response_mut(&mut self) -> Result<&mut Response, Error> {
        self.answerable().and_then(|exchange| exchange.response.as_mut()).ok_or(Error::WrongPhase)
    }

    pub(crate) fn response_headers(&mut self) -> Result<&mut HeaderMap, Error> {
        self.response_mut().map(|response| &mut response.headers)
    }
}

impl Host for State {
    fn status(&mut self) -> u16 {
        self.response().map_or(0, |response| response.status.as_u16())
    }

    fn set_status(&mut self, status: u16) -> Result<(), Error> {
        let response = self.response_mut()?;
        response.status =
            convert::status(status).ok_or_else(|| invalid(format!("the status {status} is not among 200 to 599")))?;
        Ok(())
    }

    fn header(&mut self, name: String) -> Option<String> {
        fields::joined(&self.response()?.headers, &name).map(Joined::into_string)
    }

    fn header_values(&mut self, name: String) -> Vec<Vec<u8>> {
        self.response().map_or_else(Vec::new, |response| fields::values(&response.headers, &name))
    }

    fn headers(&mut self) -> Vec<Field> {
        self.response().map_or_else(Vec::new, |response| convert::list(&response.headers))
    }

    fn set_header(&mut self, name: String, value: String) -> Result<(), Error> {
        fields::set(self.response_headers()?, &name, &value)
    }

    fn append_header(&mut self, name: String, value: String) -> Result<(), Error> {
        fields::append(self.response_headers()?, &name, &value)
    }

    fn remove_header(&mut self, name: String) -> Result<(), Error> {
        fields::remove(self.response_headers()?, &name)
    }
}
