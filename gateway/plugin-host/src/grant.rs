//! What a plugin may do beside the ordinary: asked for in its manifest AND granted in the configuration.

use crate::abi::gateway::wit::types::Error;
use crate::capabilities::quoted;
use crate::load::LoadError;
use crate::state::State;
use gateway_core::limit::{Limiter, Values};
use http::uri::{Authority, Scheme};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Something that needs a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Writes the shared attributes `consumer`, `claims` and `groups`.
    Identity,
    /// Calls services.
    Http,
    /// Reads secrets.
    Secrets,
    /// Chooses another upstream.
    SetUpstream,
    /// Takes from budgets.
    Limit,
    /// Has signatures and passwords verified.
    Crypto,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Identity, Self::Http, Self::Secrets, Self::SetUpstream, Self::Limit, Self::Crypto];

    /// As manifests and configurations write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Http => "http",
            Self::Secrets => "secrets",
            Self::SetUpstream => "set-upstream",
            Self::Limit => "limit",
            Self::Crypto => "crypto",
        }
    }
}

/// What a configuration grants.
#[derive(Clone, Default)]
pub struct Grants {
    /// To write shared attributes.
    pub identity: bool,
    /// To call these upstreams, by name.
    pub http_upstreams: Vec<String>,
    /// To call these origins: `http://host`, `https://host:port`.
    pub http_origins: Vec<String>,
    /// To read these secrets, by name.
    pub secrets: BTreeMap<String, String>,
    /// To send an exchange to these upstreams.
    pub set_upstream: Vec<String>,
    /// To take from budgets that are counted here.
    pub limit: Option<Arc<dyn Limiter>>,
    /// Where its `kv` stands, when not in memory. That is the configuration's choice alone: a plugin does not ask for it.
    pub kv: Option<Arc<dyn Values>>,
    /// To have signatures and passwords verified.
    pub crypto: bool,
}

impl Grants {
    /// What is in force: what was asked for and granted. Fails for what was asked for and is not granted, unless it is `optional`.
    pub(crate) fn for_asked(mut self, asked: &[Capability], optional: &[Capability]) -> Result<Self, LoadError> {
        for capability in Capability::ALL {
            match (asked.contains(&capability), self.has(capability)) {
                (true, false) => return Err(LoadError::NotGranted(capability)),
                (false, true) if !optional.contains(&capability) => self.withdraw(capability),
                _ => {}
            }
        }
        for origin in &mut self.http_origins {
            let (parsed, path) = Origin::parse(origin).map_err(|reason| LoadError::Origin(origin.clone(), reason))?;
            if !matches!(path, "" | "/") {
                return Err(LoadError::Origin(origin.clone(), "an origin has no path".to_owned()));
            }
            *origin = parsed.to_string();
        }
        Ok(self)
    }

    /// Whether anything of it is granted.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Identity => self.identity,
            Capability::Http => !self.http_upstreams.is_empty() || !self.http_origins.is_empty(),
            Capability::Secrets => !self.secrets.is_empty(),
            Capability::SetUpstream => !self.set_upstream.is_empty(),
            Capability::Limit => self.limit.is_some(),
            Capability::Crypto => self.crypto,
        }
    }

    fn withdraw(&mut self, capability: Capability) {
        match capability {
            Capability::Identity => self.identity = false,
            Capability::Http => {
                self.http_upstreams.clear();
                self.http_origins.clear();
            }
            Capability::Secrets => self.secrets.clear(),
            Capability::SetUpstream => self.set_upstream.clear(),
            Capability::Limit => self.limit = None,
            Capability::Crypto => self.crypto = false,
        }
    }

    pub(crate) fn allows_origin(&self, origin: &Origin) -> bool {
        let origin = origin.to_string();
        self.http_origins.contains(&origin)
    }
}

impl fmt::Debug for Grants {
    /// Without the secrets' values.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Grants")
            .field("identity", &self.identity)
            .field("http_upstreams", &self.http_upstreams)
            .field("http_origins", &self.http_origins)
            .field("secrets", &self.secrets.keys())
            .field("set_upstream", &self.set_upstream)
            .field("limit", &self.limit.is_some())
            .field("kv", &self.kv.is_some())
            .field("crypto", &self.crypto)
            .finish()
    }
}

/// Scheme, host and port of a URL in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In lower case, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the scheme is `https`.
    pub(crate) tls: bool,
}

impl Origin {
    /// The origin of a URL, and what follows it. Fails with the rule that is broken.
    pub(crate) fn parse(url: &str) -> Result<(Self, &str), String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("{} is neither `upstream://NAME/…` nor an absolute URL", quoted(url)));
        };
        let tls = scheme.eq_ignore_ascii_case(Scheme::HTTPS.as_str());
        if !tls && !scheme.eq_ignore_ascii_case(Scheme::HTTP.as_str()) {
            return Err(format!("the scheme {} is not supported; `http`, `https` and `upstream` are", quoted(scheme)));
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let bad = || format!("{} is not a host and a port", quoted(authority));
        let authority: Authority = authority.parse().map_err(|_| bad())?;
        let digits = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest).split_once(':');
        if authority.as_str().contains('@')
            || authority.host().is_empty()
            || (digits.is_some() && authority.port_u16().is_none())
        {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok((Self { host, port, tls }, rest))
    }

    /// Whether its host is an address, not a name.
    pub(crate) fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

impl State {
    /// The error for something that is not granted; logged the first time, counted each time.
    pub(crate) fn denied(&self, capability: Capability, what: &str) -> Error {
        self.kept.denied.increment();
        if !self.kept.denial_logged.swap(true, Ordering::Relaxed) {
            let plugin = &*self.settings.name;
            let capability = capability.name();
            tracing::warn!(target: "gateway::plugin", plugin, capability, "the plugin used {what}, which it did not ask for or which is not granted");
        }
        Error::Denied(format!(
            "{what} is not granted: `{}` must be asked for in the manifest and granted in the configuration",
            capability.name()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_one_spelling() {
        for (url, origin, rest) in [
            ("http://10.0.0.5:8080/a?b", "http://10.0.0.5:8080", "/a?b"),
            ("HTTP://Host.Example", "http://host.example:80", ""),
            ("http://h?x=1", "http://h:80", "?x=1"),
            ("http://[::1]:9/", "http://[::1]:9", "/"),
            ("http://[::1]", "http://[::1]:80", ""),
            ("HTTPS://IdP.Example/keys", "https://idp.example:443", "/keys"),
            ("https://h:80", "https://h:80", ""),
        ] {
            let (parsed, after) = Origin::parse(url).unwrap();
            assert_eq!((parsed.to_string().as_str(), after), (origin, rest), "{url}");
        }
        for url in [
            "ftp://h/",
            "h",
            "/x",
            "http://",
            "http://u@h/",
            "http://h:x/",
            "http://h:/",
            "http://h:99999/",
            "http://a b/",
            "file:///etc/passwd",
        ] {
            assert!(Origin::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn asked_and_granted_is_in_force_and_nothing_else() {
        let granted = || Grants { identity: true, http_origins: vec!["http://A".to_owned()], ..Grants::default() };
        let inforce = granted().for_asked(&[Capability::Http], &[]).unwrap();
        assert!(!inforce.identity);
        assert_eq!(inforce.http_origins, ["http://a:80"]);
        let refused = granted().for_asked(&[Capability::Secrets], &[]);
        assert!(matches!(refused, Err(LoadError::NotGranted(Capability::Secrets))));
        let optional = granted().for_asked(&[], &[Capability::Identity, Capability::Secrets]).unwrap();
        assert!(optional.identity && optional.secrets.is_empty() && optional.http_origins.is_empty());
        let path = Grants { http_origins: vec!["http://a/b".to_owned()], ..Grants::default() };
        assert!(matches!(path.for_asked(&[Capability::Http], &[]), Err(LoadError::Origin(..))));
    }

    #[test]
    fn secrets_are_never_printed() {
        let grants = Grants { secrets: [("KEY".to_owned(), "hunter2".to_owned())].into(), ..Grants::default() };
        assert!(!format!("{grants:?}").contains("hunter2"));
    }
}
