//! A scenario as it is written: a plugin's configuration, what clients send, what services answer.

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The upstream of the plugin's route.
pub(super) const SERVICE: &str = "service";

/// One file of `scenarios/`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    /// What it shows, for whoever reads it.
    #[serde(default)]
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    /// As `[plugin.NAME]` in a gateway.toml.
    #[serde(default)]
    pub(super) plugin: toml::Table,
    /// As a `[[route]]`, without what names the plugin.
    #[serde(default)]
    pub(super) route: toml::Table,
    /// Values of `{ secret = NAME }`.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    /// Regular expressions of what differs from run to run.
    #[serde(default)]
    pub(super) mask: Vec<String>,
    /// What services answer: the first that fits.
    #[serde(default, rename = "answer")]
    pub(super) answers: Vec<Answer>,
    /// What clients send, one after the other.
    #[serde(rename = "exchange")]
    pub(super) exchanges: Vec<Exchange>,
}

/// What a service answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Answer {
    /// Whose answer it is; the route's service where neither is written.
    pub(super) upstream: Option<String>,
    /// `https://host` or `https://host:port`.
    pub(super) origin: Option<String>,
    /// To what: `GET /path?query`, or all.
    pub(super) request: Option<Line>,
    /// How often; then the next that fits answers.
    pub(super) times: Option<u32>,
    /// In place of an answer, the connection is refused.
    #[serde(default)]
    pub(super) fails: bool,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    headers: Fields,
    #[serde(default)]
    pub(super) body: String,
}

/// What a client sends, and what is known of it beforehand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Exchange {
    /// `GET /path?query`
    pub(super) request: Line,
    #[serde(default)]
    pub(super) headers: Fields,
    #[serde(default)]
    pub(super) body: String,
    /// What plugins before this one have left: `consumer`, `claims`, `groups`, or `plugin/name`.
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

/// Method and target.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Line {
    pub(super) method: Method,
    pub(super) target: Uri,
}

impl TryFrom<String> for Line {
    type Error = String;

    fn try_from(line: String) -> Result<Self, String> {
        let unusable = || format!("`{line}` is no request: write it as `GET /path?query`");
        let (method, target) = line.split_once(' ').ok_or_else(unusable)?;
        let target: Uri = target.parse().map_err(|_| unusable())?;
        if !target.path().starts_with('/') {
            return Err(unusable());
        }
        Ok(Self { method: method.parse().map_err(|_| unusable())?, target })
    }
}

/// 200 where none is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
struct Status(StatusCode);

impl Default for Status {
    fn default() -> Self {
        Self(StatusCode::OK)
    }
}

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        let known = StatusCode::from_u16(status).ok().filter(|status| (200..600).contains(&status.as_u16()));
        known.map(Self).ok_or_else(|| format!("{status} is no status of an answer: 200 to 599"))
    }
}

/// Names and values; several lines of a name are a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Values>")]
pub(super) struct Fields(pub(super) HeaderMap);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<BTreeMap<String, Values>> for Fields {
    type Error = String;

    fn try_from(written: BTreeMap<String, Values>) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, values) in written {
            let known =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name of a field"))?;
            let lines = match values {
                Values::One(line) => vec![line],
                Values::Several(lines) => lines,
            };
            for line in lines {
                let value =
                    HeaderValue::try_from(line).map_err(|_| format!("`{name}` has a value that no field may have"))?;
                headers.append(known.clone(), value);
            }
        }
        Ok(Self(headers))
    }
}

impl Scenario {
    /// Reads a file.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
    }

    /// Every named upstream that answers, the route's own first.
    pub(super) fn upstreams(&self) -> Vec<&str> {
        let mut names = vec![SERVICE];
        for name in self.answers.iter().filter_map(|answer| answer.upstream.as_deref()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Answer {
    /// What answers where the file says nothing.
    pub(super) fn of_service() -> Self {
        Self {
            upstream: None,
            origin: None,
            request: None,
            times: None,
            fails: false,
            status: Status::default(),
            headers: Fields::default(),
            body: String::new(),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status.0
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers.0
    }

    /// Who answers, as it is told of a call.
    pub(super) fn who(&self) -> &str {
        self.upstream.as_deref().or(self.origin.as_deref()).unwrap_or(SERVICE)
    }

    /// Whether it is for this request.
    pub(super) fn fits(&self, who: &str, method: &Method, target: &str) -> bool {
        let asked = |line: &Line| {
            line.method == *method && line.target.path_and_query().is_some_and(|written| written.as_str() == target)
        };
        self.who() == who && self.request.as_ref().is_none_or(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_said_with_its_place() {
        for (text, said) in [
            ("[[exchange]]\nrequest = \"/x\"", "write it as `GET /path?query`"),
            ("[[exchange]]\nrequest = \"GET x\"", "write it as `GET /path?query`"),
            ("[[exchange]]\nrequest = \"GET /\"\nheader = {}", "unknown field `header`"),
            ("[[exchange]]\nrequest = \"GET /\"\nheaders = { \"a b\" = \"\" }", "is no name of a field"),
            ("[[exchange]]\nrequest = \"GET /\"\n[[answer]]\nstatus = 101", "101 is no status of an answer"),
            ("[plugin]", "missing field `exchange`"),
        ] {
            let error = toml::from_str::<Scenario>(text).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn the_first_answer_that_fits_is_taken() {
        let text = "[[answer]]\nrequest = \"GET /a?b=c\"\n[[answer]]\norigin = \"https://x.example\"\n[[exchange]]\nrequest = \"GET /\"";
        let Scenario { answers, .. } = toml::from_str(text).unwrap();
        let fits = |who, method, target| answers.iter().position(|answer| answer.fits(who, &method, target));
        assert_eq!(fits("service", Method::GET, "/a?b=c"), Some(0));
        assert_eq!(fits("service", Method::POST, "/a?b=c"), None);
        assert_eq!(fits("https://x.example", Method::POST, "/"), Some(1));
    }
}
