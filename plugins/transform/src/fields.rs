//! What has named values that can be changed: the header fields of either message, and the query.

use plugin_sdk::query::Query;
use plugin_sdk::{Result, request, response};

/// Named values.
pub(crate) trait Fields {
    fn remove(&mut self, name: &str) -> Result<()>;
    fn rename(&mut self, name: &str, to: &str) -> Result<()>;
    fn set(&mut self, name: &str, value: &str) -> Result<()>;
    fn add(&mut self, name: &str, value: &str) -> Result<()>;
}

/// The header fields of the request.
pub(crate) struct RequestFields;

impl Fields for RequestFields {
    fn remove(&mut self, name: &str) -> Result<()> {
        request::remove_header(name)
    }

    fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        request::rename_header(name, to)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        request::set_header(name, value)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<()> {
        request::append_header(name, value)
    }
}

/// The header fields of the response.
pub(crate) struct ResponseFields;

impl Fields for ResponseFields {
    fn remove(&mut self, name: &str) -> Result<()> {
        response::remove_header(name)
    }

    fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        response::rename_header(name, to)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        response::set_header(name, value)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<()> {
        response::append_header(name, value)
    }
}

impl Fields for Query {
    fn remove(&mut self, name: &str) -> Result<()> {
        Query::remove(self, name);
        Ok(())
    }

    fn rename(&mut self, name: &str, to: &str) -> Result<()> {
        Query::rename(self, name, to);
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        Query::set(self, name, value);
        Ok(())
    }

    fn add(&mut self, name: &str, value: &str) -> Result<()> {
        Query::add(self, name, value);
        Ok(())
    }
}
