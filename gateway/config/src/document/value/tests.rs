//! Each kind of value: what is read from which text, and that what is shown is read again.

use proptest::prelude::*;

use super::*;
use crate::{Endpoint, Host, Segment};

fn path(text: &str) -> Vec<Segment> {
    ExactPath::parse(text).unwrap().0.segments
}

fn literal(text: &str) -> Segment {
    Segment::Literal(text.to_owned())
}

#[test]
fn paths_are_split_at_their_slashes() {
    assert_eq!(path("/"), [literal("")]);
    assert_eq!(path("/a"), [literal("a")]);
    assert_eq!(path("/a/"), [literal("a"), literal("")]);
    assert_eq!(path("/a/{id}/{*rest}"), [literal("a"), Segment::Parameter("id".into()), Segment::Rest("rest".into())]);
}

#[test]
fn literals_have_one_spelling() {
    assert_eq!(path("/%61%2d%7e"), [literal("a-~")]);
    assert_eq!(path("/a%2fb"), [literal("a%2Fb")]);
    assert_eq!(path("/caf\u{e9} x"), [literal("caf%C3%A9%20x")]);
    assert_eq!(path("/a:b@c;d=e,f!$&'()*+"), [literal("a:b@c;d=e,f!$&'()*+")]);
}

#[test]
fn a_prefix_of_everything_has_no_segments() {
    let PrefixPath(pattern) = PrefixPath::parse("/").unwrap();
    assert_eq!((pattern.segments.len(), pattern.prefix), (0, true));
}

#[test]
fn hosts_are_lower_case() {
    assert_eq!(HostPattern::parse("API.Example.com").unwrap().0, Host::Exact("api.example.com".to_owned()));
    assert_eq!(HostPattern::parse("*.Example.com").unwrap().0, Host::Wildcard("example.com".to_owned()));
    assert_eq!(HostPattern::parse("[::1]").unwrap().0, Host::Exact("[::1]".to_owned()));
}

#[test]
fn endpoints_have_a_port() {
    let endpoint = |text| EndpointUrl::parse(text).unwrap().0;
    let plain = |host: &str, port| Endpoint { host: host.to_owned(), port, tls: false, weight: 1, priority: 0 };
    assert_eq!(endpoint("http://a.example"), plain("a.example", 80));
    assert_eq!(endpoint("http://[::1]:9000"), plain("::1", 9000));
    assert_eq!(
        HttpGrant::parse("http://[::1]").unwrap(),
        HttpGrant::Origin("http://[::1]:80".to_owned()),
        "origins are written as they are asked for"
    );
    assert_eq!(
        HttpGrant::parse("https://IdP.example").unwrap(),
        HttpGrant::Origin("https://idp.example:443".to_owned())
    );
    assert!(HttpGrant::parse("https://idp.example/keys").is_err());
}

#[test]
fn files_stay_in_their_folder() {
    for text in ["", "..", "a/../../b", "/a", "./../a"] {
        assert!(RelativeFile::parse(text).is_err(), "{text}");
    }
    assert!(RelativeFile::parse("vendor/waf.wasm").is_ok());
}

#[test]
fn bounds_are_exact() {
    assert!(Time::parse("0 s").is_err());
    assert!(Time::parse("1us").is_ok());
    assert!(Time::parse("24 h").is_ok());
    assert!(Time::parse("86401 s").is_err());
    assert!(Time::parse("18446744073709551615 h").is_err());
    assert!(Size::<1, 1024>::parse("1 KiB").is_ok());
    assert!(Size::<1, 1024>::parse("1025 B").is_err());
    assert!(Size::<1, 1024>::parse("0 B").is_err());
}

proptest! {
    #[test]
    fn a_duration_reads_what_it_shows(seconds in 1_u64..86_400, milliseconds in 1_u64..86_400_000) {
        for time in [Time::seconds(seconds), Time::milliseconds(milliseconds)] {
            prop_assert_eq!(Time::parse(&time.to_string()), Ok(time));
        }
    }

    #[test]
    fn a_size_reads_what_it_shows(kibibytes in 1_u64..1 << 20) {
        let size = Size::<1>::kib(kibibytes);
        prop_assert_eq!(Size::<1>::parse(&size.to_string()), Ok(size));
    }

    #[test]
    fn a_normal_path_is_its_own_normal_form(text in "/[a-z%0-9{}./ é-]{0,12}") {
        if let Ok(ExactPath(pattern)) = ExactPath::parse(&text) {
            let spelled: String = pattern.segments.iter().map(|segment| match segment {
                Segment::Literal(literal) => format!("/{literal}"),
                Segment::Parameter(name) => format!("/{{{name}}}"),
                Segment::Rest(name) => format!("/{{*{name}}}"),
            }).collect();
            prop_assert_eq!(path(&spelled), pattern.segments);
        }
    }
}
