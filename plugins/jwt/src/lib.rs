//! Refuses requests without a valid JSON Web Token (RFC 7519), and tells who asks by those that have one.

mod claims;
mod config;
mod issuer;
mod keys;
mod place;

use config::Config;
use issuer::{Issuer, Problem};
use place::Places;
use plugin_sdk::{Flow, Plugin, Response, Result, attribute, request};
use std::rc::Rc;

struct Jwt {
    places: Places,
    issuers: Vec<Issuer>,
    headers: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    forward: bool,
    optional: bool,
    realm: String,
}

#[plugin_sdk::plugin]
impl Plugin for Jwt {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.build()
    }

    fn on_request(&self) -> Result<Flow> {
        // What the service is told of the consumer is never what a client wrote there.
        for (field, _) in &self.headers {
            request::remove_header(field)?;
        }
        let token = match self.places.find() {
            Ok(Some(token)) => token,
            Ok(None) if self.optional => return Ok(Flow::Next),
            Ok(None) => return Ok(self.refusal(None)),
            Err(problem) => return Ok(self.refusal(Some(&problem))),
        };
        let known = match self.judge(&token.text) {
            Ok(known) => known,
            Err(Problem::NoKeys) => return Ok(unavailable()),
            // Two fields are joined by a comma, which no token has.
            Err(Problem::Invalid(_)) if token.text.contains(',') => {
                return Ok(self.refusal(Some("there are two of it")));
            }
            Err(Problem::Invalid(problem)) => return Ok(self.refusal(Some(&problem))),
        };
        if let Some(problem) = self.tell(&known)? {
            return Ok(self.refusal(Some(&problem)));
        }
        attribute::identify(&known.consumer, &known.text, &known.groups)?;
        if !self.forward {
            token.remove()?;
        }
        Ok(Flow::Next)
    }
}

impl Jwt {
    /// What a token says, if its issuer signed it and it is in force.
    fn judge(&self, token: &str) -> Result<Rc<claims::Known>, Problem> {
        let issuer = match &self.issuers[..] {
            [only] => only,
            several => {
                // Not to be trusted, but good enough to choose whose keys decide; what was signed is compared afterwards.
                let named =
                    claims::unverified_issuer(token).ok_or_else(|| Problem::of("it does not name its issuer"))?;
                let issuer = several.iter().find(|issuer| issuer.name.as_deref() == Some(&*named));
                issuer.ok_or_else(|| Problem::of("its issuer is not known"))?
            }
        };
        issuer.judge(token)
    }

    /// Tells the service; or what it cannot be told.
    fn tell(&self, known: &claims::Known) -> Result<Option<String>> {
        for (field, claim) in &self.headers {
            if let Some(value) = known.claim(claim)
                && request::set_header(field, value).is_err()
            {
                return Ok(Some(format!("its claim `{}` cannot be a header field", claim.escape_default())));
            }
        }
        if !self.parameters.is_empty() {
            let mut query = request::parameters();
            for (name, claim) in &self.parameters {
                query.remove(name);
                if let Some(value) = known.claim(claim) {
                    query.add(name, &value);
                }
            }
            request::set_query(&query.to_string())?;
        }
        Ok(None)
    }

    /// 401 as RFC 6750 section 3 has it: who sent no token is told no error.
    fn refusal(&self, problem: Option<&str>) -> Flow {
        let realm = &self.realm;
        let challenge = match problem {
            None => format!("Bearer realm=\"{realm}\""),
            Some(problem) => {
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\", error_description=\"{problem}\"")
            }
        };
        let detail = match problem {
            None => "A token is required.".to_owned(),
            Some(problem) => format!("The token is not valid: {problem}."),
        };
        Response::problem(401, &detail).header("www-authenticate", challenge).into()
    }
}

/// Nobody can say whether a token is good as long as its issuer has given no keys.
fn unavailable() -> Flow {
    Response::problem(503, "The keys of the token's issuer cannot be had.").header("retry-after", "5").into()
}

#[cfg(test)]
mod tests;
