//! Vectors: those of RFC 7515, 7520 and 8037, and Wycheproof's for the signatures that the algorithms of JWS are made of.
//!
//! No package carries Wycheproof's set of whole tokens: `tests.rs` makes the same families (modified, missing and added parts, `none`,
//! symmetric confusion, embedded keys, JSON form, wrong `use` and `key_ops`, base64 with spaces, padding and loose bits). Their
//! malformed paddings and numbers are here, as signatures.

use super::algorithm::Algorithm;
use super::key::{Key, Verifier};
use super::keys::Sets;
use super::tests::{algorithms, encode};
use serde_json::json;
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// Section, algorithm, key, and the three parts of a token.
const VECTORS: [(&str, &str, &str, [&str; 3]); 9] = [
    (
        "RFC 7515 A.1",
        "HS256",
        concat!(
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9"#,
            r#"CAow"}"#
        ),
        ["eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", JOE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    ),
    (
        "RFC 7515 A.2",
        "RS256",
        concat!(
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPM"#,
            r#"EzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5"#,
            r#"rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D"#,
            r#"WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#
        ),
        [
            "eyJhbGciOiJSUzI1NiJ9",
            JOE,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
             uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
             _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
             Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ],
    ),
    (
        "RFC 7515 A.3",
        "ES256",
        concat!(
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue6"#,
            r#"59LNpXW6pCyStikYjKIWI5a0"}"#
        ),
        [
            "eyJhbGciOiJFUzI1NiJ9",
            JOE,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ],
    ),
    (
        "RFC 7515 A.4",
        "ES512",
        concat!(
            r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jS"#,
            r#"fS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh"#,
            r#"9ubmf63e3kyMj2"}"#
        ),
        [
            "eyJhbGciOiJFUzUxMiJ9",
            "UGF5bG9hZA",
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCA\
             PZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ],
    ),
    (
        "RFC 7520 4.1",
        "RS256",
        concat!(
            r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZL"#,
            r#"wUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzc"#,
            r#"Ee6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZC"#,
            r#"uEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqg"#,
            r#"c5gHdrNP5zw","e":"AQAB"}"#
        ),
        [
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            ROAD,
            "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi8\
             4wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocS\
             adnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJu\
             shZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
        ],
    ),
    (
        "RFC 7520 4.2",
        "PS384",
        concat!(
            r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZL"#,
            r#"wUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzc"#,
            r#"Ee6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZC"#,
            r#"uEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqg"#,
            r#"c5gHdrNP5zw","e":"AQAB"}"#
        ),
        [
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            ROAD,
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItl\
             lVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0\
             TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0\
             uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ],
    ),
    (
        "RFC 7520 4.3",
        "ES512",
        concat!(
            r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97e"#,
            r#"wNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCv"#,
            r#"DX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#
        ),
        [
            "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            ROAD,
            "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_\
             sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
        ],
    ),
    (
        "RFC 7520 4.4",
        "HS256",
        concat!(
            r#"{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5"#,
            r#"kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}"#
        ),
        [
            "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
            ROAD,
            "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        ],
    ),
    (
        "RFC 8037 A.4",
        "EdDSA",
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        [
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ],
    ),
];

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const ROAD: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg\
    cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0\
    IGJlIHN3ZXB0IG9mZiB0by4";

#[test]
fn the_tokens_of_the_standards_are_good() {
    for (section, algorithm, jwk, parts) in VECTORS {
        let set = Sets::default().import(jwk).unwrap();
        let verified = set.verify(&parts.join("."), algorithms(&[algorithm])).unwrap();
        assert_eq!(encode(&verified.payload), parts[1], "{section}");
        let [header, payload, signature] = parts;
        let mut bytes: Vec<u8> = signature.bytes().collect();
        bytes[10] = if bytes[10] == b'A' { b'B' } else { b'A' };
        let changed = format!("{header}.{payload}.{}", String::from_utf8(bytes).unwrap());
        assert!(set.verify(&changed, algorithms(&[algorithm])).is_err(), "{section}");
    }
    // RFC 7515 A.5: an unsecured one.
    let set = Sets::default().import(VECTORS[0].2).unwrap();
    assert!(set.verify(&format!("eyJhbGciOiJub25lIn0.{JOE}."), algorithms(&["HS256"])).is_err());
}

/// What one signature of a set must come to; `Acceptable` ones are left to the verifier.
struct Judged {
    wrong: Vec<String>,
    count: usize,
}

impl Judged {
    fn new() -> Self {
        Self { wrong: Vec::new(), count: 0 }
    }

    fn judge(
        &mut self,
        name: &str,
        verifier: Option<&Verifier>,
        message: &[u8],
        signature: &[u8],
        expected: TestResult,
    ) {
        self.count += 1;
        let is_good = verifier.is_some_and(|verifier| verifier.verify(message, signature));
        if expected != TestResult::Acceptable && is_good != (expected == TestResult::Valid) {
            self.wrong.push(name.to_owned());
        }
    }

    fn done(self, least: usize) {
        assert!(self.wrong.is_empty(), "{:?}", self.wrong);
        assert!(self.count >= least, "only {} were tried", self.count);
    }
}

#[test]
fn wycheproofs_elliptic_signatures() {
    let mut judged = Judged::new();
    for (name, algorithm, curve, half) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, "P-256", 32),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, "P-384", 48),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512, "P-521", 66),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let coordinate = |bytes: &[u8]| {
                let stripped: Vec<u8> = bytes.iter().skip_while(|byte| **byte == 0).copied().collect();
                encode([vec![0; half - stripped.len()], stripped].concat())
            };
            let (x, y) = (coordinate(&group.key.affine_x), coordinate(&group.key.affine_y));
            let key = Key::of_jwk(&json!({ "kty": "EC", "crv": curve, "x": x, "y": y })).unwrap();
            for test in group.tests {
                let name = format!("{curve} {}: {}", test.tc_id, test.comment);
                judged.judge(&name, key.verifier(algorithm), &test.msg, &test.sig, test.result);
            }
        }
    }
    judged.done(600);
}

#[test]
fn wycheproofs_edwards_signatures() {
    let mut judged = Judged::new();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = Key::of_jwk(&json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk) })).unwrap();
        for test in group.tests {
            let name = format!("{}: {}", test.tc_id, test.comment);
            judged.judge(&name, key.verifier(Algorithm::Eddsa), &test.msg, &test.sig, test.result);
        }
    }
    judged.done(140);
}

#[test]
fn wycheproofs_rsa_signatures() {
    let mut judged = Judged::new();
    for (name, algorithm) in [
        (rsa_pkcs1_verify::TestName::Rsa2048Sha256, Algorithm::Rs256),
        (rsa_pkcs1_verify::TestName::Rsa3072Sha384, Algorithm::Rs384),
        (rsa_pkcs1_verify::TestName::Rsa4096Sha512, Algorithm::Rs512),
        (rsa_pkcs1_verify::TestName::Rsa8192Sha256, Algorithm::Rs256),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            // By PEM: not each of these keys is given as JWK.
            let key = Key::of_spki(&group.der).unwrap();
            for test in group.tests {
                let name = format!("{algorithm:?} {}: {}", test.tc_id, test.comment);
                judged.judge(&name, key.verifier(algorithm), &test.msg, &test.sig, test.result);
            }
        }
    }
    for (name, algorithm) in [
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (rsa_pss_verify::TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256),
    ] {
        // RFC 7518 3.5: a salt is as long as the hash.
        let is_allowed = name != rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0;
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = Key::of_spki(&group.der).unwrap();
            for test in group.tests {
                let expected = match (is_allowed, test.comment.as_str()) {
                    (true, _) => test.result,
                    // Wrong there, right here.
                    (false, "s_len changed to 32") => TestResult::Acceptable,
                    (false, _) => TestResult::Invalid,
                };
                let name = format!("{algorithm:?} {}: {}", test.tc_id, test.comment);
                judged.judge(&name, key.verifier(algorithm), &test.msg, &test.sig, expected);
            }
        }
    }
    judged.done(1000);
}

#[test]
fn wycheproofs_macs() {
    let mut judged = Judged::new();
    for (name, algorithm, least) in [
        (mac::TestName::HmacSha256, Algorithm::Hs256, 256),
        (mac::TestName::HmacSha384, Algorithm::Hs384, 384),
        (mac::TestName::HmacSha512, Algorithm::Hs512, 512),
    ] {
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                // Short secrets are no keys, and half a hash is no signature (RFC 7518 3.2).
                let is_allowed = group.key_size >= least && group.tag_size == least;
                let expected = if is_allowed { test.result } else { TestResult::Invalid };
                let key = Key::of_jwk(&json!({ "kty": "oct", "k": encode(&test.key) })).ok();
                let name = format!("{algorithm:?} {}: {}", test.tc_id, test.comment);
                let verifier = key.as_ref().and_then(|key| key.verifier(algorithm));
                judged.judge(&name, verifier, &test.msg, &test.tag, expected);
            }
        }
    }
    judged.done(300);
}
