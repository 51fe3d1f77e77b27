//! Rate limits and quotas, counted in the memory of one gateway.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use std::time::{Duration, Instant};

/// A gateway in front of an upstream, with one of our plugins in its chain.
pub(crate) fn limited(upstream: &Upstream, plugin: &str, config: &str, grants: &str, more: &str) -> Setup {
    let section = format!(
        "{more}[plugin.{plugin}]\nconfig = {config}\ngrants = {grants}\n{}chain = [\"{plugin}\"]\n",
        upstream.config()
    );
    Setup::new(&section).plugin(plugin)
}

/// Sends so many requests on each of some connections at once, and gives the statuses.
pub(crate) fn burst(gateways: &[&TestGateway], connections: usize, each: usize) -> Vec<u16> {
    let clients: Vec<_> = (0..connections).map(|number| gateways[number % gateways.len()].client()).collect();
    std::thread::scope(|scope| {
        let send =
            |mut client: gateway_tests::Client| move || (0..each).map(|_| client.get("/").status).collect::<Vec<_>>();
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(send(client))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// How many of each status.
pub(crate) fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|one| **one == status).count()
}

#[test]
fn many_at_once_get_what_there_is_and_no_more() {
    let upstream = Upstream::ok();
    for algorithm in ["token-bucket", "sliding-window", "fixed-window"] {
        let config = format!("{{ rate = \"200/d\", per = \"everybody\", algorithm = \"{algorithm}\" }}");
        let gateway = limited(&upstream, "rate-limit", &config, "{ limit = true }", "").start();
        let statuses = burst(&[&gateway], 8, 50);
        assert_eq!((count(&statuses, 200), count(&statuses, 429)), (200, 200), "{algorithm}");
    }
}

#[test]
fn a_steady_stream_gets_its_rate_within_a_hundredth() {
    let upstream = Upstream::ok();
    let config = "{ rate = \"100/s\", burst = 100, per = \"everybody\" }";
    let gateway = limited(&upstream, "rate-limit", config, "{ limit = true }", "").start();
    let mut client = gateway.client();
    // What the bucket held at first is gone. It holds a second, so that a client that is held up loses nothing.
    while client.get("/").status == 200 {}
    let (began, mut allowed) = (Instant::now(), 0_u32);
    // It ends with a refusal: until then something may be left of what came while the client was held up.
    loop {
        match client.get("/").status {
            200 => allowed += 1,
            _ if began.elapsed() >= Duration::from_secs(4) => break,
            _ => {}
        }
    }
    let expected = began.elapsed().as_secs_f64() * 100.0;
    let difference = (f64::from(allowed) - expected).abs();
    assert!(difference <= expected / 100.0 + 1.0, "{allowed} where {expected:.0} were to be allowed");
}

#[test]
fn answers_say_how_limits_stand_and_a_refusal_when_to_come_back() {
    let upstream = Upstream::ok();
    let config = "{ rate = \"1/h\", per = { header = \"x-tenant\" } }";
    let gateway = limited(&upstream, "rate-limit", config, "{ limit = true }", "").start();
    let mut client = gateway.client();
    let answer = client.get_with("/", "x-tenant: a\r\n");
    assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some("\"default\";q=1;w=3600")));
    assert_eq!(answer.header("ratelimit"), Some("\"default\";r=0;t=3600"));
    let refused = client.get_with("/", "x-tenant: a\r\n");
    assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/problem+json")));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
    assert_eq!(client.get_with("/", "x-tenant: b\r\n").status, 200);
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_place_comes_back_with_the_end_of_its_answer_or_of_its_client() {
    let upstream = Upstream::start(|request| match request.target() {
        "/slow" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec();
            Reply::Trickle(std::iter::once(head).chain(vec![b"x".to_vec(); 1000]).collect(), Duration::from_millis(50))
        }
        _ => Reply::ok("ok"),
    });
    let gateway =
        limited(&upstream, "rate-limit", "{ concurrent = 1, per = \"everybody\" }", "{ limit = true }", "").start();
    let mut slow = gateway.client();
    slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = upstream.last();
    let mut client = gateway.client();
    let refused = client.get("/");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.header("ratelimit"), Some("\"default\";r=0"));
    slow.reset();
    until("the place came back", || (client.get("/").status == 200).then_some(()));
    for _ in 0..20 {
        // The place of the one before is back before the next can ask.
        until("places come back with each answer", || (client.get("/").status == 200).then_some(()));
    }
}

#[test]
fn what_was_taken_stays_taken_over_a_reload() {
    let upstream = Upstream::ok();
    let config = "{ rate = \"2/d\", per = \"everybody\" }";
    let gateway = limited(&upstream, "rate-limit", config, "{ limit = true }", "").start();
    assert_eq!(burst(&[&gateway], 1, 3), [200, 200, 429]);
    let changed = format!(
        "[plugin.rate-limit]\nconfig = {config}\ngrants = {{ limit = true }}\n{}chain = [\"rate-limit\"]\n\
         [[route]]\nname = \"more\"\nmatch = {{ path = \"/more\" }}\nrespond = {{ status = 204 }}\n",
        upstream.config()
    );
    gateway.configure(&changed);
    gateway.wait_for_generation(2);
    assert_eq!(gateway.get("/more").status, 204);
    assert_eq!(gateway.get("/").status, 429);
}

#[test]
fn two_uses_in_one_chain_hold_together_and_say_so() {
    let upstream = Upstream::ok();
    let config = format!(
        "[plugin.rate-limit]\ngrants = {{ limit = true }}\n{}chain = [\
           {{ plugin = \"rate-limit\", config = {{ limits = [{{ name = \"outer\", rate = \"3/d\", per = \"everybody\" }}] }} }},\
           {{ plugin = \"rate-limit\", config = {{ limits = [{{ name = \"inner\", rate = \"2/d\", per = \"everybody\" }}] }} }}]\n",
        upstream.config()
    );
    let gateway = Setup::new(&config).plugin("rate-limit").start();
    let answer = gateway.get("/");
    assert_eq!(answer.status, 200);
    let mut state: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "ratelimit").map(|(_, value)| &**value).collect();
    state.sort_unstable();
    assert_eq!(state, ["\"inner\";r=1;t=43200", "\"outer\";r=2;t=28800"]);
    assert_eq!(burst(&[&gateway], 1, 3), [200, 429, 429]);
}

#[test]
fn a_quota_of_bytes_is_used_up_by_bodies_both_ways() {
    let upstream = Upstream::start(|_| Reply::ok(&"x".repeat(6_000)));
    let gateway = limited(
        &upstream,
        "quota",
        "{ bytes = \"10 KiB\", calls = 100, window = \"400 d\", per = \"address\" }",
        "{ limit = true }",
        "",
    )
    .start();
    let mut client = gateway.client();
    let post = || format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n{}", "y".repeat(5_000));
    assert_eq!(client.ask(post()).status, 200);
    // It is charged when the answer has ended, which the client may see first.
    let refused = until("the bytes are charged", || Some(client.get("/")).filter(|answer| answer.status == 429));
    let state = refused.header("ratelimit").unwrap();
    assert!(state.starts_with("\"quota-bytes\";r=0;t="), "{state}");
    assert!(String::from_utf8_lossy(&refused.body).contains("The quota of bytes is used up."));
}

#[test]
fn w9_budgets_need_a_grant() {
    let upstream = Upstream::ok();
    let mut gateway = limited(&upstream, "rate-limit", "{ rate = \"1/s\" }", "{ identity = true }", "").launch();
    assert_eq!(gateway.exit_code(), Some(2), "W9");
    assert!(gateway.log().contains("`limit`"), "W9: {}", gateway.log());
}
