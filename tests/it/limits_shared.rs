//! Budgets and values that several gateways share in a Redis, and what happens while it is away.

use crate::limits::{burst, count, limited};
use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Redis, Reply, Upstream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHARED: &str = "{ limit = \"shared\" }";

#[test]
fn two_gateways_give_out_what_there_is() {
    let (upstream, redis) = (Upstream::ok(), Redis::start());
    for (algorithm, keys) in
        [("token-bucket", ""), ("sliding-window", ""), ("fixed-window", ""), ("fixed-window", "ahead = false")]
    {
        let config = format!("{{ rate = \"1000/400 d\", per = \"everybody\", algorithm = \"{algorithm}\" }}")
            .replace("400 d", "300 d");
        let _ = redis.command("FLUSHALL");
        let start = || limited(&upstream, "rate-limit", &config, SHARED, &redis.store(keys)).start();
        let (one, other) = (start(), start());
        let statuses = burst(&[&one, &other], 16, 125);
        let allowed = count(&statuses, 200);
        assert_eq!(allowed + count(&statuses, 429), 2000);
        assert!((990..=1010).contains(&allowed), "{algorithm} {keys}: {allowed} of 1000");
        let commands = one.counter("store.shared.commands") + other.counter("store.shared.commands");
        // Asked for each, or seldom.
        let seldom = keys.is_empty();
        assert!(if seldom { commands < 700 } else { commands >= 2000 }, "{algorithm} {keys}: {commands} commands");
    }
}

#[test]
fn several_limits_are_taken_from_together_or_not_at_all() {
    let (upstream, redis) = (Upstream::ok(), Redis::start());
    for keys in ["", "ahead = false"] {
        let _ = redis.command("FLUSHALL");
        let config = "{ limits = [{ name = \"each\", rate = \"2/d\", per = { header = \"x-tenant\" } }, \
                       { name = \"all\", rate = \"4/d\", per = \"everybody\" }] }";
        let gateway = limited(&upstream, "rate-limit", config, SHARED, &redis.store(keys)).start();
        let mut client = gateway.client();
        let mut ask = |tenant: &str| client.get_with("/", &format!("x-tenant: {tenant}\r\n")).status;
        assert_eq!([ask("a"), ask("a"), ask("a"), ask("a")], [200, 200, 429, 429], "{keys}");
        assert_eq!([ask("b"), ask("b"), ask("c")], [200, 200, 429], "{keys}");
    }
}

#[test]
fn places_are_shared_and_come_back() {
    let redis = Redis::start();
    let upstream = Upstream::start(|request| match request.target() {
        "/slow" => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec();
            Reply::Trickle(std::iter::once(head).chain(vec![b"x".to_vec(); 1000]).collect(), Duration::from_millis(50))
        }
        _ => Reply::ok("ok"),
    });
    let config = "{ concurrent = 1, per = \"everybody\" }";
    let start = || limited(&upstream, "rate-limit", config, SHARED, &redis.store("")).start();
    let (one, other) = (start(), start());
    let mut slow = one.client();
    slow.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = upstream.last();
    assert_eq!(other.get("/").status, 429);
    slow.reset();
    until("the place came back", || (other.get("/").status == 200).then_some(()));
}

#[test]
fn a_quota_outlives_its_gateway() {
    let (upstream, redis) = (Upstream::ok(), Redis::start());
    let start = || {
        let config = "{ calls = 3, window = \"400 d\", per = \"everybody\" }";
        limited(&upstream, "quota", config, SHARED, &redis.store("ahead = false")).start()
    };
    assert_eq!(burst(&[&start()], 1, 2), [200, 200]);
    assert_eq!(burst(&[&start()], 1, 2), [200, 429]);
}

/// What each status was while Redis was away, under load, and that none took long.
fn outage(keys: &str, frozen: bool) -> Vec<u16> {
    let (upstream, mut redis) = (Upstream::ok(), Redis::start());
    let config = "{ rate = \"1000000/s\", per = \"everybody\" }";
    let store = redis.store(&format!("timeout = \"200 ms\"\nahead = false\n{keys}"));
    let gateway = limited(&upstream, "rate-limit", config, SHARED, &store).start();
    assert_eq!(gateway.get("/").status, 200);
    let done = AtomicBool::new(false);
    let statuses = std::thread::scope(|scope| {
        let load = || {
            let mut client = gateway.client();
            let mut answers = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                answers.push((client.get("/").status, began.elapsed()));
            }
            answers
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        if frozen {
            redis.freeze(true)
        } else {
            redis.kill()
        }
        until("it is noticed", || gateway.log().contains("the store does not answer").then_some(()));
        // Long enough that many ask meanwhile.
        let before = gateway.counter("requests.2xx") + gateway.counter("requests.5xx");
        until("requests go on", || {
            (gateway.counter("requests.2xx") + gateway.counter("requests.5xx") > before + 200).then_some(())
        });
        if frozen {
            redis.freeze(false)
        } else {
            redis.revive()
        }
        until("it is found again", || gateway.log().contains("the store answers again").then_some(()));
        done.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let slowest = statuses.iter().map(|(_, time)| *time).max().unwrap();
    assert!(slowest < Duration::from_secs(3), "a request took {slowest:?}");
    assert_eq!(gateway.get("/").status, 200);
    let commands = gateway.counter("store.shared.commands");
    let _ = gateway.get("/");
    assert!(gateway.counter("store.shared.commands") > commands, "it is asked again");
    statuses.into_iter().map(|(status, _)| status).collect()
}

#[test]
fn while_redis_is_away_each_gateway_counts_for_itself() {
    for frozen in [false, true] {
        let statuses = outage("", frozen);
        assert_eq!(count(&statuses, 200), statuses.len());
    }
}

#[test]
fn while_redis_is_away_nothing_is_allowed_where_that_is_written() {
    let statuses = outage("when-away = \"deny\"", false);
    assert_eq!(count(&statuses, 200) + count(&statuses, 503), statuses.len());
    assert!(count(&statuses, 503) > 0);
}

#[test]
fn while_redis_is_away_everything_is_allowed_where_that_is_written() {
    let (upstream, mut redis) = (Upstream::ok(), Redis::start());
    let config = "{ rate = \"1/d\", per = \"everybody\" }";
    let store = redis.store("when-away = \"allow\"\nahead = false");
    let gateway = limited(&upstream, "rate-limit", config, SHARED, &store).start();
    assert_eq!(burst(&[&gateway], 1, 2), [200, 429]);
    redis.kill();
    until("everything is allowed", || (gateway.get("/").status == 200).then_some(()));
    assert_eq!(burst(&[&gateway], 1, 3), [200, 200, 200]);
}

#[test]
fn alone_a_gateway_still_keeps_to_the_limit() {
    let (upstream, mut redis) = (Upstream::ok(), Redis::start());
    redis.kill();
    let config = "{ rate = \"3/d\", per = \"everybody\" }";
    let gateway = limited(&upstream, "rate-limit", config, SHARED, &redis.store("")).start();
    assert_eq!(burst(&[&gateway], 1, 5), [200, 200, 200, 429, 429]);
}

#[test]
fn a_password_is_shown_and_never_told() {
    let (upstream, redis) = (Upstream::ok(), Redis::with(&["--requirepass", "hunter2"]));
    let config = "{ rate = \"2/d\", per = \"everybody\" }";
    let right = redis.store("password = { secret = \"REDIS\" }\nwhen-away = \"deny\"");
    let start = |secret: &str| {
        let setup: Setup = limited(&upstream, "rate-limit", config, SHARED, &right);
        setup.variable("REDIS", secret).start()
    };
    let gateway = start("hunter2");
    assert_eq!(burst(&[&gateway], 1, 3), [200, 200, 429]);
    let wrong = start("hunter3");
    assert_eq!(wrong.get("/").status, 503);
    for gateway in [&gateway, &wrong] {
        assert!(!gateway.log().contains("hunter"), "{}", gateway.log());
    }
}

#[test]
fn values_are_shared_by_gateways_that_name_the_store() {
    let (upstream, mut redis) = (Upstream::ok(), Redis::start());
    let start = |grants: &str| {
        let more = redis.store("timeout = \"2 s\"");
        limited(&upstream, "hostile", "{ }", grants, &more).start()
    };
    let shared = "{ kv = \"shared\", http = [\"service\"] }";
    let (one, other, alone) = (start(shared), start(shared), start("{ http = [\"service\"] }"));
    let ask = |gateway: &gateway_tests::TestGateway, what: &str| {
        let answer = gateway.client().get_with("/", &format!("x-do: {what}\r\n"));
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!([ask(&one, "add a"), ask(&other, "add a"), ask(&alone, "add a")], ["1", "2", "1"]);
    assert_eq!(
        [ask(&one, "keep b x"), ask(&other, "keep b y"), ask(&alone, "keep b z")],
        ["true false ", "true false x", "true false "]
    );
    assert_eq!(ask(&one, "add b"), "invalid");
    assert_eq!([ask(&other, "forget b"), ask(&one, "add b")], ["done", "1"]);
    // Only the first of several adds says how long it lives.
    let lives = redis.command("PTTL gateway:hostile:value:a");
    let lives: i64 = lives.trim().trim_start_matches(':').parse().unwrap();
    assert!((1..=60_000).contains(&lives), "{lives}");
    redis.kill();
    until("it is said that the store does not answer", || (ask(&one, "add a") == "failed").then_some(()));
    assert_eq!(ask(&alone, "add a"), "2");
}

#[test]
fn a_place_that_was_taken_for_nobody_comes_back() {
    let (upstream, redis) = (Upstream::ok(), Redis::start());
    let store = redis.store("timeout = \"200 ms\"\nwhen-away = \"deny\"");
    let config = "{ concurrent = 1, per = \"everybody\" }";
    let gateway = limited(&upstream, "rate-limit", config, SHARED, &store).start();
    assert_eq!(gateway.get("/").status, 200);
    // It is asked for while Redis does not answer, and given when nobody waits for it any more.
    redis.freeze(true);
    assert_eq!(gateway.get("/").status, 503);
    redis.freeze(false);
    until("the place came back", || (gateway.get("/").status == 200).then_some(()));
    until("nothing is held", || {
        (redis.command("ZCARD gateway:rate-limit:slots:600000:default/1.0/") == ":0\r\n").then_some(())
    });
}

#[test]
fn a_redis_that_refuses_is_as_good_as_none() {
    let (upstream, redis) = (Upstream::ok(), Redis::start());
    let config = "{ rate = \"2/d\", per = \"everybody\" }";
    for (keys, statuses) in
        [("", [200, 200, 429]), ("when-away = \"allow\"", [200, 200, 200]), ("when-away = \"deny\"", [503, 503, 503])]
    {
        let _ = redis.command("CONFIG SET maxmemory 1");
        let gateway =
            limited(&upstream, "rate-limit", config, SHARED, &redis.store(&format!("ahead = false\n{keys}"))).start();
        assert_eq!(burst(&[&gateway], 1, 3), statuses, "{keys}");
        // What a gateway logs is read beside its answers.
        until("it is said", || gateway.log().contains("the store refuses commands").then_some(()));
        let _ = redis.command("CONFIG SET maxmemory 0");
        assert_eq!(burst(&[&gateway], 1, 3), [200, 200, 429], "{keys}");
        let _ = redis.command("FLUSHALL");
    }
}
