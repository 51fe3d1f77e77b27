//! `request`: what is read and changed of the request.

use super::fields::{self, Joined};
use super::{invalid, quoted};
use crate::abi::gateway::convert;
use crate::abi::gateway::wit::request::Host;
use crate::abi::gateway::wit::types::{Error, Field};
use crate::state::State;
use gateway_core::exchange::Request;
use gateway_core::path::{self, Allow};
use http::{HeaderMap, Method};

/// A path or a query that a plugin writes, in bytes.
const TARGET: usize = 8 << 10;

/// What services read in more than one way stays out here too: no route can allow it to a plugin.
const STRICT: Allow = Allow { encoded_slash: false, backslash: false, encoded_nul: false };

impl State {
    pub(crate) fn request(&self) -> Option<&Request> {
        self.exchange.as_deref().map(|exchange| &exchange.request)
    }

    fn request_mut(&mut self) -> Result<&mut Request, Error> {
        self.sendable().map(|exchange| &mut exchange.request).ok_or(Error::WrongPhase)
    }

    pub(crate) fn request_headers(&mut self) -> Result<&mut HeaderMap, Error> {
        self.request_mut().map(|request| &mut request.headers)
    }
}

impl Host for State {
    fn method(&mut self) -> String {
        self.request().map_or_else(String::new, |request| request.method.as_str().to_owned())
    }

    fn set_method(&mut self, method: String) -> Result<(), Error> {
        let request = self.request_mut()?;
        let known = Method::from_bytes(method.as_bytes()).ok().filter(|_| method.len() <= 32);
        // CONNECT asks for a tunnel, which a route allows and a plugin does not.
        match known {
            Some(method) if method != Method::CONNECT => request.method = method,
            _ => return Err(invalid(format!("{} is not a method that a request can have", quoted(&method)))),
        }
        Ok(())
    }

    fn scheme(&mut self) -> String {
        self.request().map_or_else(String::new, |request| request.scheme.to_owned())
    }

    fn authority(&mut self) -> String {
        self.request().map_or_else(String::new, |request| request.authority.to_string())
    }

    fn path(&mut self) -> String {
        self.request().map_or_else(String::new, |request| request.path.clone())
    }

    fn set_path(&mut self, path: String) -> Result<(), Error> {
        let request = self.request_mut()?;
        bounded(&path)?;
        request.path = path::normalize(&path, STRICT).map_err(|error| invalid(error.to_string()))?.into_owned();
        Ok(())
    }

    fn query(&mut self) -> String {
        self.request().and_then(|request| request.query.clone()).unwrap_or_default()
    }

    fn set_query(&mut self, query: String) -> Result<(), Error> {
        let request = self.request_mut()?;
        bounded(&query)?;
        if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(invalid("a query is percent-encoded ASCII without spaces and `#`"));
        }
        request.query = Some(query).filter(|query| !query.is_empty());
        Ok(())
    }

    fn header(&mut self, name: String) -> Option<String> {
        fields::joined(&self.request()?.headers, &name).map(Joined::into_string)
    }

    fn header_values(&mut self, name: String) -> Vec<Vec<u8>> {
        self.request().map_or_else(Vec::new, |request| fields::values(&request.headers, &name))
    }

    fn headers(&mut self) -> Vec<Field> {
        self.request().map_or_else(Vec::new, |request| convert::list(&request.headers))
    }

    fn set_header(&mut self, name: String, value: String) -> Result<(), Error> {
        fields::set(self.request_headers()?, &name, &value)
    }

    fn append_header(&mut self, name: String, value: String) -> Result<(), Error> {
        fields::append(self.request_headers()?, &name, &value)
    }

    fn remove_header(&mut self, name: String) -> Result<(), Error> {
        fields::remove(self.request_headers()?, &name)
    }

    fn take_header(&mut self, name: String) -> Result<Option<String>, Error> {
        Ok(fields::take(self.request_headers()?, &name)?.map(Joined::into_string))
    }
}

fn bounded(text: &str) -> Result<(), Error> {
    if text.len() > TARGET {
        return Err(Error::TooLarge(format!("a path and a query have at most {TARGET} bytes each")));
    }
    Ok(())
}
