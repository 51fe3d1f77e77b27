//! What may be asked of a running gateway: endpoints out and in, what is logged, reload, roll back.

use gateway_tests::gateway::{Setup, component};
use gateway_tests::wait::until;
use gateway_tests::{TestGateway, Upstream};
use serde_json::json;

fn responds(status: u16) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nrespond = {{ status = {status} }}\n"
    )
}

#[test]
fn an_endpoint_that_is_drained_gets_nothing_until_it_is_enabled() {
    let (one, other) = (Upstream::ok(), Upstream::ok());
    let config = |connect: &str| {
        format!(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\n\
             endpoints = [\"{}\", \"{}\"]\ntimeouts = {{ connect = \"{connect}\" }}\n\
             [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n",
            one.url(),
            other.url()
        )
    };
    let gateway = TestGateway::start(&config("2 s"));
    let turn = |endpoint: &Upstream, verb: &str| {
        gateway.post_admin(&format!("/upstreams/service/endpoints/{}/{verb}", endpoint.address()), &json!({}))
    };
    let (status, done) = turn(&one, "drain");
    assert_eq!((status, &done["state"]), (200, &json!("drained")));
    (0..20).for_each(|_| assert_eq!(gateway.get("/").status, 200));
    assert_eq!((one.received().len(), other.received().len()), (0, 20));
    assert_eq!(turn(&other, "drain").0, 409, "the last one stays");
    // Over a reload that makes its connections anew.
    gateway.configure(&config("3 s"));
    gateway.wait_for_generation(2);
    (0..20).for_each(|_| assert_eq!(gateway.get("/").status, 200));
    assert_eq!((one.received().len(), other.received().len()), (0, 40));
    assert_eq!(turn(&one, "enable").1["state"], "up");
    until("it is asked again", || {
        let _ = gateway.get("/");
        (!one.received().is_empty()).then_some(())
    });
}

#[test]
fn what_is_logged_changes_while_it_serves() {
    let gateway = TestGateway::start(&responds(204));
    assert_eq!(gateway.post_admin("/log-level", &json!({ "filter": "gateway=debug" })).0, 200);
    let (_, level) = gateway.admin("/log-level").unwrap();
    assert!(String::from_utf8(level).unwrap().contains("gateway=debug"));
    assert!(gateway.post_admin("/log-level", &json!({ "filter": "off" })).0 == 200);
    gateway.configure(&responds(200));
    gateway.wait_for_generation(2);
    assert!(!gateway.log().contains("new generation serves"), "{}", gateway.log());
}

/// HARDENING R7, R8: all of it comes back, with the components as they were, and the next change is taken up.
#[test]
fn what_served_before_is_brought_back_until_a_file_changes() {
    let with_plugin = |status: u16| format!("{}chain = [\"plugin\"]\n", responds(status));
    let gateway = Setup::new(&with_plugin(200)).file("plugins.d/plugin.wasm", component("phases")).start();
    let refused = gateway.post_admin("/rollback", &json!({}));
    assert_eq!(refused.0, 409, "there is nothing before: {}", refused.1);
    let hash = |gateway: &TestGateway| gateway.status()["plugins"][0]["sha256"].clone();
    let before = hash(&gateway);
    gateway.replace("plugins.d/plugin.wasm", &component("trapping"));
    gateway.wait_for_generation(2);
    assert_eq!((gateway.get("/").status, &gateway.status()["reload"]["before"]), (503, &json!(1)));
    let (status, done) = gateway.post_admin("/rollback", &json!({}));
    assert_eq!((status, &done["outcome"], &done["generation"]), (200, &json!("changed"), &json!(3)), "{done}");
    assert_eq!((gateway.get("/").status, hash(&gateway)), (200, before.clone()));
    assert_eq!(gateway.status()["reload"]["state"], "rolled-back");
    assert_eq!(gateway.post_admin("/rollback", &json!({})).0, 409, "going back twice would be going forth");
    // Asking for a reload is asking for what the files say.
    let (_, done) = gateway.post_admin("/reload", &json!({}));
    assert_eq!((&done["outcome"], gateway.get("/").status), (&json!("changed"), 503));
    assert_eq!(gateway.post_admin("/rollback", &json!({})).0, 200);
    assert_eq!(gateway.get("/").status, 200);
    // The next change of a file is taken up, all of what the files say then.
    gateway.configure(&responds(202));
    until("the change serves", || (gateway.get("/").status == 202).then_some(()));
    assert_eq!(gateway.status()["reload"]["state"], "current");
}

#[test]
fn a_reload_says_why_the_files_cannot_be_used() {
    let gateway = TestGateway::start(&responds(204));
    let (status, done) = gateway.post_admin("/reload", &json!({}));
    assert_eq!((status, &done["outcome"], &done["generation"]), (200, &json!("unchanged"), &json!(1)));
    gateway.configure("[[listener]\n");
    let (status, problem) = gateway.post_admin("/reload", &json!({}));
    assert_eq!((status, &problem["problems"][0]["code"]), (409, &json!("syntax")), "{problem}");
    assert_eq!(gateway.get("/").status, 204);
    gateway.configure(&responds(200));
    until("the repaired file serves", || (gateway.post_admin("/reload", &json!({})).0 == 200).then_some(()));
    assert_eq!(gateway.get("/").status, 200);
}
