//! `"x-service": true` in a manifest's schema: the string is a URL that the plugin calls, so it has to be granted. A configuration that
//! could never work is refused where it is written, and not by every request.

use crate::capabilities::quoted;
use crate::grant::{Grants, Origin};
use jsonschema::{Keyword, ValidationError};
use serde_json::Value;
use std::sync::Arc;

/// The keyword.
pub(crate) const KEYWORD: &str = "x-service";

/// What a plugin may call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach(Arc<Granted>);

#[derive(Debug, Default)]
struct Granted {
    upstreams: Vec<String>,
    /// In one spelling.
    origins: Vec<String>,
}

impl Reach {
    pub(crate) fn of(grants: &Grants) -> Self {
        let origins = grants.http_origins.iter().filter_map(|origin| Origin::parse(origin).ok());
        let origins = origins.map(|(origin, _)| origin.to_string()).collect();
        Self(Arc::new(Granted { upstreams: grants.http_upstreams.clone(), origins }))
    }

    /// What the keyword means where this stands behind it.
    ///
    /// # Errors
    /// It is neither true nor false.
    pub(crate) fn keyword(&self, said: &Value) -> Result<Box<dyn for<'a> Keyword<'a>>, ValidationError<'static>> {
        match said.as_bool() {
            Some(true) => Ok(Box::new(self.clone())),
            Some(false) => Ok(Box::new(NoService)),
            None => Err(ValidationError::custom(format!("`{KEYWORD}` is neither true nor false"))),
        }
    }

    /// Why a URL cannot be called. What follows a `{` is filled in for each request: a URL is judged as far as it is written out. Nothing of it
    /// but its host is told, since there may be a secret in it.
    fn refusal(&self, url: &str) -> Option<String> {
        let written = url.split_once('{').map_or(url, |(written, _)| written);
        let (scheme, rest) = written.split_once("://")?;
        let host = match rest.find(['/', '?', '#']) {
            Some(end) => rest.split_at(end).0,
            None if written.len() == url.len() => rest,
            None => return None,
        };
        if scheme == "upstream" {
            let is_granted = self.0.upstreams.iter().any(|granted| granted == host);
            return (!is_granted)
                .then(|| format!("the upstream {} is not granted: write it into `grants.http`", quoted(host)));
        }
        let Ok((origin, _)) = Origin::parse(written) else {
            return Some("it is no URL of a service: `upstream://NAME/path`, or `https://HOST/path`".to_owned());
        };
        let origin = origin.to_string();
        (!self.0.origins.contains(&origin))
            .then(|| format!("the origin {} is not granted: write it into `grants.http`", quoted(&origin)))
    }
}

impl Keyword<'_> for Reach {
    fn validate(&self, instance: &Value) -> Result<(), ValidationError<'static>> {
        match instance.as_str().and_then(|url| self.refusal(url)) {
            Some(refusal) => Err(ValidationError::custom(refusal)),
            None => Ok(()),
        }
    }

    fn is_valid(&self, instance: &Value) -> bool {
        instance.as_str().is_none_or(|url| self.refusal(url).is_none())
    }
}

/// A string that is not called.
struct NoService;

impl Keyword<'_> for NoService {
    fn validate(&self, _: &Value) -> Result<(), ValidationError<'static>> {
        Ok(())
    }

    fn is_valid(&self, _: &Value) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_judged_as_far_as_it_is_written_out() {
        let reach = Reach::of(&Grants {
            http_upstreams: vec!["basket".to_owned()],
            http_origins: vec!["HTTPS://IdP.example".to_owned()],
            ..Grants::default()
        });
        for url in [
            "upstream://basket",
            "upstream://basket/a/{id}",
            "upstream://basket?{query}",
            "upstream://{name}/a",
            "upstream://bas{rest}",
            "https://idp.example/keys",
            "https://idp.example:443",
            "https://{host}/keys",
            "no URL",
        ] {
            assert_eq!(reach.refusal(url), None, "{url}");
        }
        for (url, named) in [
            ("upstream://baskt/v1", "`baskt`"),
            ("upstream://", "``"),
            ("https://idp.example:444/keys", "`https://idp.example:444`"),
            ("http://idp.example/keys?token=hunter2", "`http://idp.example:80`"),
            ("ftp://idp.example/{a}", "no URL"),
            ("https://user:hunter2@idp.example/", "no URL"),
        ] {
            let refusal = reach.refusal(url).unwrap();
            assert!(refusal.contains(named) && !refusal.contains("hunter2"), "{url}: {refusal}");
        }
    }
}
