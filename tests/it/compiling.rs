//! Components that take long to compile: in a process of its own, while the gateway goes on.

use gateway_tests::gateway::{Setup, component};
use gateway_tests::wait::until;
use std::fs;

const LARGE: usize = 1 << 20;

/// A component with a custom section of as many bytes as make it large.
fn large(component: &[u8]) -> Vec<u8> {
    let mut whole = component.to_vec();
    let length = u32::try_from(LARGE + 9).unwrap();
    // Id 0, then the length of name and content in LEB128.
    whole.push(0);
    let mut rest = length;
    while rest >= 0x80 {
        whole.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    whole.push(u8::try_from(rest).unwrap());
    whole.extend_from_slice(b"\x08padding:");
    whole.extend(std::iter::repeat_n(b' ', LARGE));
    whole
}

/// A route that needs nothing, and one with this chain.
fn config(chain: &str) -> String {
    format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[[route]]
name = "other"
match = {{ path = "/other" }}
respond = {{ status = 200, body = "other" }}
[[route]]
name = "all"
match = {{ prefix = "/" }}
chain = [{chain}]
respond = {{ status = 200 }}
"#
    )
}

#[test]
fn a_large_component_is_compiled_in_a_process_of_its_own_and_kept() {
    let cache = tempfile::tempdir().unwrap();
    let setup = || {
        Setup::new(&config(""))
            .file("plugins.d/large.wasm", large(&component("phases")))
            .cache(cache.path())
            .log("info")
    };
    let gateway = setup().start();
    let with = config("'large'");
    gateway.configure(&with);
    gateway.wait_for_generation(2);
    assert_eq!(gateway.get("/other").text(), "other");
    let log = gateway.log();
    assert!(log.contains("compiling a large component, in a process of its own"), "{log}");
    drop(gateway);
    let kept = || fs::read_dir(cache.path().join("gateway/compiled")).unwrap().count();
    assert_eq!(kept(), 6, "its code and that of what stands between guests and the host, and their hashes");
    let again = setup().start();
    again.configure(&with);
    again.wait_for_generation(2);
    assert!(!again.log().contains("compiling a large component"), "{}", again.log());
}

#[test]
fn one_that_does_not_compile_is_refused_with_the_compilers_words() {
    let cache = tempfile::tempdir().unwrap();
    // A core module whose function leaves nothing where a number is promised: well-formed, and not valid.
    let invalid = b"\x01\x1f\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b\0\x03\x01a\0";
    let mut broken = large(&component("phases"));
    broken.extend_from_slice(invalid);
    let gateway = Setup::new(&config("")).file("plugins.d/large.wasm", broken).cache(cache.path()).start();
    gateway.configure(&config("'large'"));
    let problem = until("the change is refused", || {
        let status = gateway.status();
        let problems = status["reload"]["problems"].as_array()?.clone();
        problems.first().map(|problem| problem["message"].as_str().unwrap().to_owned())
    });
    assert!(problem.contains("does not compile"), "{problem}");
    assert_eq!(gateway.get("/other").text(), "other");
}
