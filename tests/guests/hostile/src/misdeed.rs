//! The misdeeds by name.

use plugin_sdk::fetch::Request;
use plugin_sdk::{Error, Flow, Response, Result, attribute, kv, metrics, request};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Never returns.
pub fn endless() -> ! {
    let mut number = 0u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "as told")]
fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    recurse(depth + 1) + room[usize::try_from(depth % 64).unwrap_or_default()]
}

/// Answers with text, for what a test wants to know.
fn tell(text: impl ToString) -> Result<Flow> {
    Ok(Response::new(200).body(text.to_string()).into())
}

/// Whether a host function refused.
fn refused<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(Error::Denied(_)) => "denied",
        Err(Error::WrongPhase) => "wrong-phase",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::TooLarge(_)) => "too-large",
        Err(_) => "failed",
    }
}

/// Does it.
pub fn commit(what: &str) -> Result<Flow> {
    let (what, argument) = what.split_once(' ').unwrap_or((what, ""));
    match what {
        "loop" => endless(),
        "host-loop" => loop {
            black_box(request::path());
        },
        "alloc" => {
            let mut kept = Vec::new();
            loop {
                kept.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        "alloc-4gib" => {
            // In pages of 64 KiB; -1 where it is refused.
            tell(core::arch::wasm32::memory_grow(0, (1 << 16) - 64) != usize::MAX)
        }
        "recurse" => tell(recurse(0)),
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("as told"),
        "fail" => Err(Error::Failed("as told".to_owned())),
        "big-answer" => Ok(Response::new(200).body(vec![b'x'; 32 << 20]).into()),
        "many-headers" => {
            tell(refused((0..100_000).try_for_each(|number| request::append_header(&format!("x-{number}"), "1"))))
        }
        "big-header" => tell(refused(request::set_header("x-big", &"x".repeat(1 << 20)))),
        "set-header" => {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            tell(refused(request::set_header(&unescape(name), &unescape(value))))
        }
        "respond-with" => {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            Ok(Response::new(200).header(unescape(name), unescape(value)).into())
        }
        "respond-status" => Ok(Response::new(argument.parse().unwrap_or_default()).into()),
        "log" => {
            (0..1000).for_each(|number| plugin_sdk::info!("flood {number} \u{1b}[31m\r\nforged line"));
            Ok(Flow::Next)
        }
        "metrics" => {
            (0..1000).for_each(|number| metrics::count(&format!("flood-{number}"), 1));
            Ok(Flow::Next)
        }
        // Adds to a value and gives the sum, or says why not.
        "add" => match kv::increment(argument, 1, Some(Duration::from_secs(60))) {
            Ok(sum) => tell(sum),
            Err(error) => tell(refused::<()>(Err(error))),
        },
        "keep" => {
            let (key, value) = argument.split_once(' ').unwrap_or_default();
            let before = kv::get_bytes(key)?;
            let kept = kv::compare_and_swap(key, before.as_deref(), value.as_bytes(), None)?;
            let stale = kv::compare_and_swap(key, before.as_deref(), b"never", None)?;
            tell(format!("{kept} {stale} {}", String::from_utf8_lossy(&before.unwrap_or_default())))
        }
        "forget" => tell(refused(kv::delete(argument))),
        "kv" => {
            let value = vec![0u8; 64 << 10];
            let stored =
                (0..2000).take_while(|number| kv::set_bytes(&format!("{number}"), &value, None).is_ok()).count();
            tell(stored)
        }
        "attributes" => {
            tell(refused((0..100).try_for_each(|number| attribute::set(&format!("a{number}"), &"x".repeat(1000)))))
        }
        "identity" => tell(refused(attribute::set(attribute::CONSUMER, "root"))),
        "fetch" => {
            let request = Request::get(argument).timeout(Duration::from_secs(10));
            match request.send() {
                Ok(response) => tell(format_args!("answered {}", response.status)),
                Err(error) => tell(format_args!("{} {error:?}", refused::<()>(Err(error.clone())))),
            }
        }
        "await-body" => Ok(Flow::AwaitBody),
        "remember" => tell(CALLS.replace(CALLS.get() + 1)),
        _ => Ok(Flow::Next),
    }
}

/// `\r`, `\n` and `\0` cannot be written into the field that tells what to do.
fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}
