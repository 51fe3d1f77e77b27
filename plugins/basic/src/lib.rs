//! Refuses requests without a known name and password (RFC 7617), and names the consumer of the others.

mod users;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use plugin_sdk::{Error, Flow, Plugin, Response, Result, attribute, crypto, request};
use serde::Deserialize;
use std::collections::BTreeMap;
use users::Users;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    users: users::Written,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default = "gateway")]
    realm: String,
    #[serde(default)]
    forward: bool,
    consumer_header: Option<String>,
}

fn gateway() -> String {
    "gateway".to_owned()
}

struct Basic {
    users: Users,
    challenge: String,
    forward: bool,
    consumer_header: Option<String>,
}

#[plugin_sdk::plugin]
impl Plugin for Basic {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { users, groups, realm, forward, consumer_header } = config;
        if realm.contains(['"', '\\']) || realm.contains(char::is_control) {
            return Err("`realm` has a quote, a backslash or a control character".to_owned());
        }
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Ok(Self { users: Users::new(users, &groups)?, challenge, forward, consumer_header })
    }

    fn on_request(&self) -> Result<Flow> {
        if let Some(name) = &self.consumer_header {
            request::remove_header(name)?;
        }
        let Some((name, password)) = credentials() else {
            return Ok(self.refusal());
        };
        // Whoever is not known takes as long as whoever is, so the time says nothing about names.
        let user = self.users.user(&name);
        let hash = user.map_or_else(|| self.users.any_hash(), |user| &user.hash);
        match crypto::verify_password(hash, &password) {
            Ok(true) => {}
            Ok(false) => return Ok(self.refusal()),
            // Too many at once, or not in time: nobody can say whether it is right.
            Err(Error::Failed(_)) => return Ok(busy()),
            Err(error) => return Err(error),
        }
        let Some(user) = user else { return Ok(self.refusal()) };
        if let Some(field) = &self.consumer_header
            && request::set_header(field, &name).is_err()
        {
            return Ok(self.refusal());
        }
        attribute::identify(&name, "", &user.groups)?;
        if !self.forward {
            request::remove_header("authorization")?;
        }
        Ok(Flow::Next)
    }
}

impl Basic {
    /// The same for an unknown name and a wrong password.
    fn refusal(&self) -> Flow {
        let detail = "A valid name and password are required.";
        Response::problem(401, detail).header("www-authenticate", self.challenge.as_str()).into()
    }
}

fn busy() -> Flow {
    Response::problem(503, "Too many passwords are being verified.").header("retry-after", "1").into()
}

/// Name and password: base64 of UTF-8 with a colon between them (RFC 7617 section 2). A password may have colons.
fn credentials() -> Option<(String, String)> {
    let header = request::header("authorization")?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim_start_matches(' ')).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    (!text.contains(char::is_control)).then(|| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests;
