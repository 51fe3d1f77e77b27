//! A URL with `{name}` for what the route's path captured.

use plugin_sdk::{Error, Result, exchange, path};

/// Texts, each but the last followed by a name.
pub(crate) struct Url {
    parts: Vec<(String, String)>,
    last: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("upstream://") && !text.starts_with("http://") {
            return Err(format!("the url `{text}` does not begin with `upstream://` or `http://`"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("the url `{text}` has a `{{` without `}}`"))?;
            parts.push((before.to_owned(), name.to_owned()));
            rest = after;
        }
        Ok(Self { parts, last: rest.to_owned() })
    }

    /// The URL for this exchange.
    pub(crate) fn fill(&self) -> Result<String> {
        let mut url = String::new();
        for (text, name) in &self.parts {
            let value = exchange::param(name);
            let value = value.ok_or_else(|| Error::Failed(format!("the route's path captures no `{name}`")))?;
            url.push_str(text);
            url.push_str(&path::segment(&value));
        }
        url.push_str(&self.last);
        Ok(url)
    }
}
