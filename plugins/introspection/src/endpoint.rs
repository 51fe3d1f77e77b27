//! The introspection endpoint, and what it said of tokens lately.

use crate::answer::Answer;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use plugin_sdk::claims::Names;
use plugin_sdk::fetch::Request;
use plugin_sdk::{kv, metrics};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// One question.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Questions at once. They hold instances; the others are for tokens that are known.
const QUESTIONS: i64 = 32;

/// The name in `kv` of how many there are.
const ASKING: &str = "asking";

/// The unreserved characters of RFC 3986 stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where tokens are asked for.
pub(crate) struct Endpoint {
    url: String,
    authorization: String,
    cache: Duration,
    /// The members of an answer that somebody asks for.
    names: Names,
}

impl Endpoint {
    pub(crate) fn new(url: String, client: &str, secret: &str, cache: Duration, names: Names) -> Self {
        // RFC 6749 2.3.1: both are encoded as forms are, before they are joined.
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let credentials = format!("{}:{}", encode(client), encode(secret));
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        Self { url, authorization, cache, names }
    }

    /// What is known of a token. None: nobody can say.
    pub(crate) fn ask(&self, token: &str) -> Option<Answer> {
        // By its hash: keys are short, and what is kept is good for nothing.
        let key = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // A store that does not answer is asked again next time; the endpoint is there.
        let known = kv::get_bytes(&key).ok().flatten();
        if let Some(answer) = known.and_then(|text| Answer::parse(text, &self.names).ok()) {
            return Some(answer);
        }
        match self.fetch_in_turn(token) {
            Ok(answer) => {
                let time = answer.left().map_or(self.cache, |left| left.min(self.cache));
                if answer.is_active()
                    && !time.is_zero()
                    && kv::set_bytes(&key, answer.text.as_bytes(), Some(time)).is_err()
                {
                    metrics::count("not-kept", 1);
                }
                Some(answer)
            }
            Err(reason) => {
                metrics::count("not-answered", 1);
                plugin_sdk::warn!("{} cannot be asked for a token: {reason}", self.url);
                None
            }
        }
    }

    fn fetch_in_turn(&self, token: &str) -> Result<Answer, String> {
        let asking = kv::increment(ASKING, 1, Some(TIMEOUT))?;
        let fetched = match asking <= QUESTIONS {
            true => self.fetch(token),
            false => Err(format!("{QUESTIONS} questions are under way already")),
        };
        kv::increment(ASKING, -1, Some(TIMEOUT))?;
        fetched
    }

    fn fetch(&self, token: &str) -> Result<Answer, String> {
        let form = format!("token={}&token_type_hint=access_token", utf8_percent_encode(token, ENCODED));
        let request = Request::post(&self.url)
            .header("authorization", self.authorization.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form)
            .timeout(TIMEOUT);
        let response = request.send()?;
        if response.status != 200 {
            return Err(format!("the answer is {}", response.status));
        }
        Answer::parse(response.body, &self.names)
    }
}
