//! Whatever plugin has proven who asks, its answer is nobody else's.

use crate::identity::{bearer, setup};
use gateway_tests::issuer::now;
use gateway_tests::{Key, Reply, TestGateway, Upstream};
use serde_json::json;
use std::fs;
use std::path::Path;

/// One way to prove who asks: a plugin with its section, and the request's query and fields that name `alice` and `bob`.
struct Proof {
    plugin: &'static str,
    section: String,
    more: String,
    requests: [(String, String); 2],
}

/// A service that stores nothing itself, and answers each with its name.
fn personal() -> Upstream {
    Upstream::start(|request| {
        let name = request.value("x-user").unwrap_or("nobody").to_owned();
        Reply::with("200 OK", "cache-control: max-age=1000\r\n", &name)
    })
}

fn proofs(issuer: &Upstream) -> Vec<Proof> {
    let secret = "a secret of thirty-two bytes, or more";
    let key = Key::secret("one", secret.as_bytes());
    let token = |name: &str| key.token(&json!({ "sub": name, "exp": now() + 600 }));
    let both = |request: &dyn Fn(&str) -> (String, String)| ["alice", "bob"].map(request);
    let jwt = |place: &str| {
        format!(
            "config = {{ issuers = [{{ shared-secret = {{ secret = \"SECRET\" }} }}], headers = {{ x-user = \"sub\" }}{place} }}\n\
             grants = {{ identity = true, crypto = true, http = [\"service\"] }}"
        )
    };
    let api_key = |place: &str| {
        format!(
            "config = {{ keys = {{ alice = \"a\", bob = \"b\" }}, consumer-header = \"x-user\"{place} }}\n\
             grants = {{ identity = true }}"
        )
    };
    let proof = |plugin, section, requests| Proof { plugin, section, more: String::new(), requests };
    vec![
        proof("jwt", jwt(""), both(&|name| ("/".to_owned(), bearer(&token(name))))),
        proof(
            "jwt",
            jwt(", cookie = \"session\""),
            both(&|name| ("/".to_owned(), format!("cookie: session={}\r\n", token(name)))),
        ),
        // The parameter is taken out before anything is looked up.
        proof(
            "jwt",
            jwt(", query = \"token\", forward = false"),
            both(&|name| (format!("/?token={}", token(name)), String::new())),
        ),
        proof("api-key", api_key(""), both(&|name| ("/".to_owned(), format!("x-api-key: {}\r\n", &name[..1])))),
        proof("api-key", api_key(", query = \"key\""), both(&|name| (format!("/?key={}", &name[..1]), String::new()))),
        proof(
            "api-key",
            api_key(", cookie = \"key\""),
            both(&|name| ("/".to_owned(), format!("cookie: key={}\r\n", &name[..1]))),
        ),
        proof(
            "basic",
            "config = { users = { secret = \"USERS\" }, consumer-header = \"x-user\" }\n\
             grants = { identity = true, crypto = true }"
                .to_owned(),
            [("alice", "YWxpY2U6b3BlbiBzZXNhbWU="), ("bob", "Ym9iOmh1bnRlcjI=")]
                .map(|(_, credentials)| ("/".to_owned(), format!("authorization: Basic {credentials}\r\n"))),
        ),
        Proof {
            plugin: "introspection",
            section: "config = { endpoint = \"upstream://issuer/\", client-id = \"a\", client-secret = { secret = \"SECRET\" }, \
                      headers = { x-user = \"sub\" } }\ngrants = { identity = true, http = [\"issuer\"] }"
                .to_owned(),
            more: format!("[upstream.issuer]\nendpoints = [\"{}\"]\n", issuer.url()),
            requests: both(&|name| ("/".to_owned(), bearer(name))),
        },
    ]
}

fn start(upstream: &Upstream, proof: &Proof, cache: &str) -> TestGateway {
    let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/identity/users");
    let more = format!("cache = {cache}\n{}", proof.more);
    setup(upstream, &[(proof.plugin, &proof.section)], &more)
        .variable("SECRET", "a secret of thirty-two bytes, or more")
        .variable("USERS", &fs::read_to_string(users).unwrap())
        .compiled()
        .start()
}

#[test]
fn no_answer_is_anothers_whatever_plugin_proves_who_asks() {
    let issuer = Upstream::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let name = body.split(['=', '&']).nth(1).unwrap_or_default();
        Reply::with("200 OK", "", &json!({ "active": true, "sub": name, "exp": now() + 600 }).to_string())
    });
    for proof in proofs(&issuer) {
        // The service does not allow it: nothing is stored. Said to be each one's own: each has one. Said to be the same for all:
        // one has it, and nobody who proves nothing.
        for (cache, asked, shared) in
            [("true", 4, false), ("{ share = \"consumer\" }", 2, false), ("{ share = \"all\" }", 1, true)]
        {
            let upstream = personal();
            let gateway = start(&upstream, &proof, cache);
            let told = format!("{} {cache} {:?}", proof.plugin, proof.requests);
            for turn in 0..4 {
                let (path, fields) = &proof.requests[turn % 2];
                let answer = gateway.client().get_with(path, fields);
                let name = if shared { "alice" } else { ["alice", "bob"][turn % 2] };
                assert_eq!((answer.status, answer.text().as_str()), (200, name), "{told}");
            }
            assert_eq!(upstream.received().len(), asked, "{told}");
            assert_eq!(gateway.get("/").status, 401, "{told}");
        }
    }
}
