//! What is told of every exchange when it is over: for the access log, and for whoever else wants to see requests go by.

use crate::plugin::Summary;
use http::{HeaderName, HeaderValue, Method};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// An exchange that is over. Credentials in it are as they came: who writes it down leaves them out.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was over.
    pub at: SystemTime,
    /// As in `x-request-id`.
    pub request: HeaderValue,
    /// Of the trace and the span, where there is one.
    pub trace: Option<(u128, u64)>,
    /// Which socket it came on.
    pub listener: Arc<str>,
    /// The client's address, behind trusted proxies the one they name.
    pub client: IpAddr,
    /// Who was proven to ask.
    pub consumer: Option<String>,
    /// What was asked, before any plugin changed it.
    pub method: Method,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port as the client asked.
    pub authority: Arc<str>,
    /// In its normal form.
    pub path: String,
    /// Without its `?`.
    pub query: Option<String>,
    /// `1.0`, `1.1` or `2`.
    pub protocol: &'static str,
    /// Empty where none matched.
    pub route: Arc<str>,
    /// The upstream that was asked last.
    pub upstream: Option<Arc<str>>,
    /// How it ended.
    pub summary: Summary,
    /// The fields of the request that the observer asked for, in its order.
    pub fields: Vec<Option<HeaderValue>>,
}

/// Who is told. Never waits: a thread that serves calls it.
pub trait Observer: Send + Sync {
    /// Whether every exchange may be told of: asked when one begins, because keeping what was asked costs something. Where nobody
    /// watches, [`Self::wants`] is asked all the same when it is over.
    fn watches(&self) -> bool;

    /// For whom this exchange is to be told of: a bit for each, as the observer likes; 0: for nobody. What nobody watched is told as
    /// plugins have left it, and not where the client has gone.
    fn wants(&self, status: u16) -> u8;

    /// Fields of requests that it needs.
    fn fields(&self) -> &[HeaderName];

    /// It is over; `audience` is what [`Self::wants`] said.
    fn ended(&self, record: Box<Record>, audience: u8);
}
