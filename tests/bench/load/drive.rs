//! How requests follow each other: as fast as answers come, at a fixed rate, one after the other, or not at all.

use super::{Connection, Plan};
use crate::machine::{self, place_here};
use crate::timer::Ticker;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What came of a closed loop.
pub(crate) struct Closed {
    pub(crate) seconds: f64,
    /// Seconds of CPU that the proxy used meanwhile, not for opening and closing connections.
    pub(crate) cpu: f64,
    pub(crate) failures: Vec<String>,
}

/// So many requests, each connection asking again as soon as it was answered. The processes are the proxy's.
pub(crate) fn closed(plan: &Plan, requests: usize, processes: &[u32]) -> Closed {
    run(plan, async {
        let connections = open(plan).await;
        let left = Arc::new(AtomicUsize::new(requests));
        let (start, before) = (Instant::now(), machine::cpu(processes));
        let tasks = connections.into_iter().map(|mut connection| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    if let Err(error) = connection.ask().await {
                        failures.push(error.to_string());
                        connection.reopen().await.unwrap();
                    }
                }
                // Handed back so that it is closed after the measurement.
                (connection, failures)
            })
        });
        let mut done = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            done.push(task.await.unwrap());
        }
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), machine::cpu(processes) - before);
        Closed { seconds, cpu, failures: done.into_iter().flat_map(|(_, failures)| failures).collect() }
    })
}

/// Microseconds from when each request was due to when its answer was whole. A request that is due while all connections
/// wait is late from then on: a proxy that stalls is not asked less for it.
pub(crate) fn paced(plan: &Plan, rate: f64, requests: usize) -> Vec<f64> {
    run(plan, async {
        let connections = open(plan).await;
        let interval = Duration::from_secs_f64(1.0 / rate);
        let due = Arc::new(Semaphore::new(0));
        let next = Arc::new(AtomicUsize::new(0));
        let taken = Arc::new(Mutex::new(Vec::with_capacity(requests)));
        let ticker = Ticker::new(interval).unwrap();
        let start = ticker.start;
        let tasks = connections.into_iter().map(|mut connection| {
            let (due, next, taken) = (Arc::clone(&due), Arc::clone(&next), Arc::clone(&taken));
            tokio::spawn(async move {
                while let Ok(permit) = due.acquire().await {
                    permit.forget();
                    let number = next.fetch_add(1, Ordering::Relaxed) + 1;
                    connection.ask().await.unwrap();
                    let late = start.elapsed().saturating_sub(interval * number as u32);
                    taken.lock().unwrap().push(late.as_secs_f64() * 1e6);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut released = 0;
        while released < requests {
            let count = (ticker.ticks().await.unwrap() as usize).min(requests - released);
            due.add_permits(count);
            released += count;
        }
        while due.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Whoever waits for the next one ends now, whoever has one after it.
        due.close();
        for task in tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *taken.lock().unwrap())
    })
}

/// Microseconds for so many requests one after the other, again and again, on one connection.
pub(crate) fn in_turn(plan: &Plan, requests: usize, times: usize) -> Vec<f64> {
    run(plan, async {
        let mut connection = open(plan).await.remove(0);
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            for _ in 0..requests {
                connection.ask().await.unwrap();
            }
            taken.push(start.elapsed().as_secs_f64() * 1e6);
        }
        taken
    })
}

/// Opens all connections of a plan, each with one request, and keeps them idle; looks with `look` once they have been so
/// for a time. None of them may have been closed by then.
pub(crate) fn open_and_hold<T: Send>(plan: &Plan, idle: Duration, look: impl FnOnce() -> T + Send) -> T {
    run(plan, async {
        let connections = open(plan).await;
        tokio::time::sleep(idle).await;
        let found = look();
        let quiet = connections.iter().filter(|connection| connection.wire.is_quiet()).count();
        assert_eq!(quiet, plan.connections, "idle connections were closed");
        found
    })
}

/// All connections of a plan, warm: each was answered once.
async fn open(plan: &Plan) -> Vec<Connection> {
    /// At once, so that no backlog overflows.
    const OPENERS: usize = 32;
    let request: Arc<[u8]> = plan.ask.bytes().into();
    let count = |opener: usize| plan.connections / OPENERS + usize::from(opener < plan.connections % OPENERS);
    let openers = (0..OPENERS).map(|opener| {
        let (plan, request, count) = (plan.clone(), Arc::clone(&request), count(opener));
        tokio::spawn(async move {
            let mut connections = Vec::with_capacity(count);
            for _ in 0..count {
                let mut connection = Connection::open(plan.address, &plan.ask, &request).await?;
                connection.ask().await?;
                connections.push(connection);
            }
            io::Result::Ok(connections)
        })
    });
    let mut connections = Vec::with_capacity(plan.connections);
    for opener in openers.collect::<Vec<_>>() {
        connections.extend(opener.await.unwrap().unwrap());
    }
    connections
}

/// On a thread of its own, where the plan wants it.
fn run<T: Send>(plan: &Plan, work: impl Future<Output = T> + Send) -> T {
    let on_thread = || {
        place_here(plan.cores);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    };
    thread::scope(|scope| scope.spawn(on_thread).join().unwrap())
}
