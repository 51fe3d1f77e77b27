//! What a client writes into a captured parameter stays inside it.

use gateway_tests::{TestGateway, Upstream};

#[test]
fn p14_a_parameter_cannot_climb_out_of_its_template() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        r#"{}
[[route]]
name = "one"
match = {{ path = "/files/{{name}}" }}
upstream = "service"
rewrite = {{ path = "/v1/files/{{name}}/raw" }}
allow = ["encoded-slash", "backslash", "encoded-nul"]
[[route]]
name = "all"
match = {{ path = "/all/{{*rest}}" }}
upstream = "service"
rewrite = {{ path = "/v1/all/{{rest}}" }}
allow = ["encoded-slash"]
[[route]]
name = "moved"
match = {{ path = "/moved/{{*rest}}" }}
redirect = {{ status = 302, to = "/{{rest}}" }}
allow = ["encoded-slash"]
"#,
        upstream.config().replace("\"all\"", "\"every\"")
    ));
    for (path, target) in [
        ("/files/..%2f..%2f..%2fadmin", "/v1/files/..%2F..%2F..%2Fadmin/raw"),
        ("/files/a%2fb", "/v1/files/a%2Fb/raw"),
        ("/files/..%5cadmin%00", "/v1/files/..%5Cadmin%00/raw"),
        ("/files/%252e%252e%3fq%23", "/v1/files/%252e%252e%3Fq%23/raw"),
        ("/files/%ff%0d%0a", "/v1/files/%FF%0D%0A/raw"),
        ("/all/..%2f../x", "/v1/all/..%2F../x"),
        ("/all/a/..%2f..%2f..%2fadmin/b", "/v1/all/a/..%2F..%2F..%2Fadmin/b"),
    ] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
        assert_eq!(upstream.last().target(), target, "{path}");
    }
    for (path, location) in
        [("/moved/a/b", "/a/b"), ("/moved/%2fevil.example", "/%2Fevil.example"), ("/moved/%0d%0ax:y", "/%0D%0Ax:y")]
    {
        assert_eq!(gateway.get(path).header("location"), Some(location), "{path}");
    }
}
