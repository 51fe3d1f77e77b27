//! What is refused (HARDENING.md section 5), which keys are taken, and what is remembered.

use super::algorithm::{self, Algorithms};
use super::jws::{self, Refused};
use super::keys::{Set, Sets};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// An issuer with an RSA key, an elliptic one and a secret.
struct Issuer {
    rsa: RsaKeyPair,
    elliptic: EcdsaKeyPair,
    secret: Vec<u8>,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    elliptic: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    secret: (0..64).collect(),
});

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    /// `RSAPublicKey` of 2048 bits: a sequence, the modulus with its sign's byte, and the exponent 65537.
    fn modulus(&self) -> &[u8] {
        let der = self.rsa.public_key().as_ref();
        assert_eq!(&der[..9], [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0]);
        &der[9..265]
    }

    fn jwk(&self, kind: &str) -> Value {
        match kind {
            "rsa" => json!({ "kty": "RSA", "kid": "rsa", "n": encode(self.modulus()), "e": "AQAB" }),
            "ec" => {
                let point = self.elliptic.public_key().as_ref();
                json!({ "kty": "EC", "kid": "ec", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            _ => json!({ "kty": "oct", "kid": "oct", "k": encode(&self.secret) }),
        }
    }

    fn sign(&self, alg: &str, signed: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let mut signature = vec![0; 256];
        match alg {
            "RS256" => self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap(),
            "PS256" => self.rsa.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).unwrap(),
            "ES256" => signature = self.elliptic.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            _ => signature = mac(&self.secret, signed),
        }
        signature
    }

    /// A token with this header and payload, as they are.
    fn token(&self, alg: &str, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = self.sign(alg, &signed);
        format!("{signed}.{}", encode(signature))
    }
}

fn mac(secret: &[u8], signed: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes()).as_ref().to_vec()
}

pub(super) fn import(keys: &Value) -> Result<Arc<Set>, String> {
    Sets::default().import(&keys.to_string())
}

pub(super) fn algorithms(names: &[&str]) -> Algorithms {
    Algorithms::of(&names.iter().map(|name| algorithm::named(name).unwrap()).collect::<Vec<_>>())
}

fn all_keys() -> Arc<Set> {
    import(&json!({ "keys": [ISSUER.jwk("rsa"), ISSUER.jwk("ec"), ISSUER.jwk("oct")] })).unwrap()
}

const ALL: [&str; 13] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
];

const CLAIMS: &str = r#"{"sub":"alice","exp":1300819380}"#;

#[test]
fn a_good_token_is_good_with_the_algorithms_that_are_allowed_and_no_other() {
    let set = all_keys();
    for (alg, kid) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("HS256", "oct")] {
        let token = ISSUER.token(alg, &format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"JWT"}}"#), CLAIMS);
        for _ in 0..2 {
            let verified = set.verify(&token, algorithms(&[alg])).unwrap();
            assert_eq!(verified.payload, CLAIMS.as_bytes());
            assert_eq!((Some(verified.algorithm), verified.typ.as_deref()), (algorithm::named(alg), Some("JWT")));
        }
        let others: Vec<_> = ALL.into_iter().filter(|other| *other != alg).collect();
        assert_eq!(
            set.verify(&token, algorithms(&others)),
            Err(Refused::Algorithm),
            "seen before, and still not allowed"
        );
        assert_eq!(set.verify(&token, algorithms(&[])), Err(Refused::Algorithm));
    }
}

/// Each with a signature that is good: it is the header that is not.
#[test]
fn headers_that_must_not_be_are_refused() {
    let own = encode(r#"{"kty":"oct"}"#);
    for (header, said) in [
        (r#"{"alg":"RS256","kid":"rsa","crit":["exp"]}"#.to_owned(), "crit"),
        (r#"{"alg":"RS256","kid":"rsa","crit":[]}"#.to_owned(), "crit"),
        (r#"{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}"#.to_owned(), "crit"),
        (r#"{"alg":"RS256","kid":"rsa","b64":false}"#.to_owned(), "b64"),
        (format!(r#"{{"alg":"RS256","jwk":{}}}"#, ISSUER.jwk("rsa")), "jwk"),
        (r#"{"alg":"RS256","kid":"rsa","jku":"https://evil.example/keys"}"#.to_owned(), "jku"),
        (r#"{"alg":"RS256","kid":"rsa","x5u":"https://evil.example/cert"}"#.to_owned(), "x5u"),
        (format!(r#"{{"alg":"RS256","kid":"rsa","x5c":["{own}"]}}"#), "x5c"),
        (r#"{"alg":"RS256","alg":"RS256","kid":"rsa"}"#.to_owned(), "twice"),
        (r#"{"alg":"RS256","kid":"rsa","x":{"a":1,"\u0061":1}}"#.to_owned(), "twice"),
        (r#"{"kid":"rsa"}"#.to_owned(), "alg"),
        (r#"{"alg":["RS256"],"kid":"rsa"}"#.to_owned(), "`alg`"),
        (r#"{"alg":"RS256","kid":7}"#.to_owned(), "`kid`"),
        (r#"{"alg":"RS256","kid":"rsa","typ":null}"#.to_owned(), "`typ`"),
        (r#"["RS256"]"#.to_owned(), "JSON"),
        (r#"{"alg":"RS256","kid":"rsa"}x"#.to_owned(), "JSON"),
        ("\u{feff}{\"alg\":\"RS256\",\"kid\":\"rsa\"}".to_owned(), "JSON"),
        (String::new(), "JSON"),
    ] {
        let token = ISSUER.token("RS256", &header, CLAIMS);
        match all_keys().verify(&token, algorithms(&ALL)) {
            Err(Refused::Malformed(text)) => assert!(text.contains(said), "{header}: {text}"),
            other => panic!("{header}: {other:?}"),
        }
    }
}

#[test]
fn none_and_what_is_like_it_are_no_algorithms() {
    for alg in
        ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "HS1", "RS1", "ES256K", "HS256/64", "dir", "A128KW"]
    {
        let header = encode(json!({ "alg": alg, "kid": "rsa" }).to_string());
        for signature in [String::new(), encode("x")] {
            let token = format!("{header}.{}.{signature}", encode(CLAIMS));
            assert_eq!(all_keys().verify(&token, algorithms(&ALL)), Err(Refused::Algorithm), "{alg:?}");
        }
    }
}

/// RFC 8725 2.1: a verifier that takes the key's text for a secret.
#[test]
fn a_public_key_is_no_secret() {
    let jwk = ISSUER.jwk("rsa");
    let der = ISSUER.rsa.public_key().as_ref().to_vec();
    let texts = [jwk.to_string().into_bytes(), ISSUER.modulus().to_vec(), der, jwk["n"].as_str().unwrap().into()];
    for secret in texts {
        for header in [r#"{"alg":"HS256","kid":"rsa"}"#, r#"{"alg":"HS256"}"#] {
            let signed = format!("{}.{}", encode(header), encode(CLAIMS));
            let token = format!("{signed}.{}", encode(mac(&secret, &signed)));
            let set = import(&json!({ "keys": [&jwk] })).unwrap();
            assert_eq!(set.verify(&token, algorithms(&ALL)), Err(Refused::Key));
        }
    }
    // A token that calls an elliptic signature an RSA one, and the reverse.
    let crossed = ISSUER.token("ES256", r#"{"alg":"RS256","kid":"ec"}"#, CLAIMS);
    assert_eq!(all_keys().verify(&crossed, algorithms(&ALL)), Err(Refused::Key));
    let crossed = ISSUER.token("RS256", r#"{"alg":"PS256","kid":"rsa"}"#, CLAIMS);
    assert_eq!(all_keys().verify(&crossed, algorithms(&ALL)), Err(Refused::Signature));
}

#[test]
fn a_token_has_one_spelling() {
    let token = ISSUER.token("HS256", r#"{"alg":"HS256","kid":"oct"}"#, CLAIMS);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let standard = signature.replace('-', "+").replace('_', "/");
    let mut loose = signature.to_owned();
    // 32 bytes are 43 characters; the last one has two bits that say nothing.
    let last = loose.pop().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    loose.push(alphabet.chars().nth(alphabet.find(last).unwrap() | 1).unwrap());
    let refused = [
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature} "),
        format!(" {header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}\n"),
        format!("{header}.{payload}\u{0}.{signature}"),
        format!("{header}.{payload}.{loose}"),
        format!("{header}.{payload}.{standard}+"),
        "..".to_owned(),
        String::new(),
        format!("{}.{payload}.{signature}", encode("x".repeat(jws::TOKEN))),
    ];
    for token in refused {
        let refused = all_keys().verify(&token, algorithms(&ALL));
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{token:?}: {refused:?}");
    }
    for token in [
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{}", &signature[..42 - 2]),
        format!("{header}.{}.{signature}", encode(r#"{"sub":"root"}"#)),
        format!("{header}..{signature}"),
    ] {
        assert_eq!(all_keys().verify(&token, algorithms(&ALL)), Err(Refused::Signature), "{token}");
    }
}

#[test]
fn claims_have_each_name_once() {
    for payload in [r#"{"sub":"alice","sub":"root"}"#, r#"{"a":[{"b":1,"b":2}]}"#] {
        let token = ISSUER.token("HS256", r#"{"alg":"HS256"}"#, payload);
        assert!(matches!(all_keys().verify(&token, algorithms(&ALL)), Err(Refused::Malformed(_))), "{payload}");
    }
    for payload in ["", "not JSON", "[1,2]", r#"{"sub":"#] {
        let token = ISSUER.token("HS256", r#"{"alg":"HS256"}"#, payload);
        assert_eq!(all_keys().verify(&token, algorithms(&ALL)).unwrap().payload, payload.as_bytes());
    }
}

#[test]
fn a_kid_chooses_among_keys_and_never_beyond_them() {
    let other = |kid: Option<&str>| {
        let mut jwk = json!({ "kty": "oct", "k": encode([9; 32]) });
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    };
    let set = import(&json!({ "keys": [other(Some("a")), other(None), ISSUER.jwk("oct")] })).unwrap();
    let verify =
        |kid: &str| set.verify(&ISSUER.token("HS256", &format!(r#"{{"alg":"HS256"{kid}}}"#), CLAIMS), algorithms(&ALL));
    assert!(verify(r#","kid":"oct""#).is_ok());
    assert!(verify("").is_ok(), "every key that fits is tried");
    assert_eq!(verify(r#","kid":"a""#), Err(Refused::Signature));
    assert_eq!(verify(r#","kid":"../../etc/passwd""#), Err(Refused::Signature), "a key without a name may be meant");
    let named = import(&json!({ "keys": [ISSUER.jwk("oct")] })).unwrap();
    let token = ISSUER.token("HS256", r#"{"alg":"HS256","kid":"new"}"#, CLAIMS);
    assert_eq!(named.verify(&token, algorithms(&ALL)), Err(Refused::Key));
    let many = import(&json!({ "keys": (0..9).map(|_| other(None)).collect::<Vec<_>>() })).unwrap();
    assert!(matches!(many.verify(&token, algorithms(&ALL)), Err(Refused::Malformed(_))), "a token costs only so much");
}

#[test]
fn keys_are_of_the_right_type_size_and_use() {
    let with = |kind: &str, changes: Value| {
        let mut jwk = ISSUER.jwk(kind);
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        import(&json!({ "keys": [jwk] })).map(|_| ())
    };
    for (kind, changes, said) in [
        ("rsa", json!({ "use": "enc" }), "`use`"),
        ("rsa", json!({ "key_ops": ["encrypt"] }), "`key_ops`"),
        ("rsa", json!({ "alg": "RSA-OAEP" }), "RSA-OAEP"),
        ("rsa", json!({ "alg": "HS256" }), "HS256"),
        ("rsa", json!({ "alg": "ES256" }), "ES256"),
        ("rsa", json!({ "d": "AQAB" }), "private"),
        ("rsa", json!({ "n": encode([0xff; 128]) }), "1024 bits"),
        ("rsa", json!({ "n": encode([0xff; 1025]) }), "8200 bits"),
        ("rsa", json!({ "n": encode([[0].as_slice(), &[0x7f; 255]].concat()) }), "2039 bits"),
        ("rsa", json!({ "e": "" }), "exponent"),
        ("rsa", json!({ "e": "AQ" }), "exponent"),
        ("rsa", json!({ "e": "AQAA" }), "exponent"),
        ("rsa", json!({ "e": encode([1, 0, 0, 0, 1]) }), "exponent"),
        ("rsa", json!({ "e": "AQAB=" }), "base64url"),
        ("rsa", json!({ "n": 5 }), "string"),
        ("rsa", json!({ "kty": "rsa" }), "`rsa`"),
        ("rsa", json!({ "kty": "EC" }), "curve"),
        ("rsa", json!({ "kty": "oct" }), "`k`"),
        ("ec", json!({ "crv": "P-384" }), "48 bytes"),
        ("ec", json!({ "crv": "secp256k1" }), "secp256k1"),
        ("ec", json!({ "x": encode([1; 32]) }), "no point"),
        ("ec", json!({ "x": encode([1; 31]) }), "32 bytes"),
        ("ec", json!({ "alg": "ES384" }), "ES384"),
        ("ec", json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([1; 33]) }), "32 bytes"),
        ("ec", json!({ "kty": "OKP", "crv": "X25519" }), "X25519"),
        ("oct", json!({ "k": encode([1; 31]) }), "32 bytes"),
        ("oct", json!({ "k": encode([1; 32]), "alg": "HS512" }), "HS512"),
    ] {
        let said_so = with(kind, changes.clone()).unwrap_err();
        assert!(said_so.contains(said), "{kind} {changes}: {said_so}");
    }
    for (kind, changes) in [
        ("rsa", json!({ "use": "sig", "key_ops": ["verify"], "alg": "RS256", "x5c": ["ignored"], "ext": true })),
        ("rsa", json!({ "n": encode([&[0], ISSUER.modulus()].concat()) })),
        ("ec", json!({ "alg": "ES256" })),
        ("oct", json!({ "alg": "HS512" })),
    ] {
        assert_eq!(with(kind, changes.clone()), Ok(()), "{kind} {changes}");
    }
    let mixed =
        import(&json!({ "keys": [ISSUER.jwk("ec"), { "kty": "new" }, { "kty": "RSA", "n": "AQAB", "e": "AQAB" }] }))
            .unwrap();
    assert_eq!((mixed.keys.len(), mixed.refused.len()), (1, 2), "{:?}", mixed.refused);
    let pinned = import(&json!({ "kty": "oct", "alg": "HS512", "k": encode(&ISSUER.secret) })).unwrap();
    let token = ISSUER.token("HS256", r#"{"alg":"HS256"}"#, CLAIMS);
    assert_eq!(pinned.verify(&token, algorithms(&ALL)), Err(Refused::Key), "a key has one algorithm (RFC 8725 3.1)");
}

#[test]
fn keys_are_also_taken_in_pem() {
    let spki = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(ISSUER.rsa.public_key())
        .unwrap();
    let text = base64::prelude::BASE64_STANDARD.encode(spki.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
    let set = Sets::default().import(&pem).unwrap();
    let token = ISSUER.token("PS256", r#"{"alg":"PS256","kid":"any"}"#, CLAIMS);
    assert!(set.verify(&token, algorithms(&["PS256"])).is_ok());
    for (text, said) in [
        ("", "neither"),
        ("hunter2", "neither"),
        ("{", "JSON"),
        ("{}", "kty"),
        (r#"{"keys":[]}"#, "no key"),
        (r#"{"keys":{}}"#, "list"),
        (r#"{"keys":[],"keys":[]}"#, "twice"),
        (&pem.replace("PUBLIC", "PRIVATE"), "private"),
        (&pem.replace(&text[..8], "AAAAAAAA"), "no RSA"),
    ] {
        let said_so = Sets::default().import(text).err().unwrap();
        assert!(said_so.contains(said), "{text}: {said_so}");
    }
}

#[test]
fn sets_are_the_same_by_content_and_bounded() {
    let sets = Sets::default();
    let text = |number: usize| {
        json!({ "kty": "oct", "k": encode([[1; 32], [u8::try_from(number).unwrap(); 32]].concat()) }).to_string()
    };
    let first = sets.import(&text(0)).unwrap().id;
    for number in 1..60 {
        let id = sets.import(&text(number)).unwrap().id;
        assert_eq!(sets.import(&text(number)).unwrap().id, id);
        assert_eq!(sets.import(&text(0)).unwrap().id, first, "what is used stays");
    }
    assert_eq!((1..90).filter(|id| sets.set(*id).is_some()).count(), 32);
    assert_ne!(sets.import(&text(1)).unwrap().id, 2, "a number is never given twice");
    assert!(sets.import(&" ".repeat(257 << 10)).is_err());
}

proptest! {
    /// Whatever one changes of a token, or makes up: it is refused, and nothing panics.
    #[test]
    fn no_other_token_is_good(position in 0..200usize, with in any::<char>(), text in "\\PC{0,80}") {
        let set = all_keys();
        let token = ISSUER.token("HS256", r#"{"alg":"HS256","kid":"oct"}"#, CLAIMS);
        let mut changed: Vec<char> = token.chars().collect();
        let position = position % changed.len();
        prop_assume!(changed[position] != with);
        changed[position] = with;
        prop_assert!(set.verify(&changed.into_iter().collect::<String>(), algorithms(&ALL)).is_err());
        prop_assert!(set.verify(&text, algorithms(&ALL)).is_err());
        let part = encode(&text);
        prop_assert!(set.verify(&[part.as_str(); 3].join("."), algorithms(&ALL)).is_err());
        prop_assert!(Sets::default().import(&text).is_err());
    }
}
