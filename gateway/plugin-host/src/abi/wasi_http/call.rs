//! One request in an instance: what the guest may do for it, and what it is told of the rest of the chain and of services.

use super::body::{Lent, Taken};
use super::loan::Loan;
use super::worker::Life;
use crate::capabilities::quoted;
use crate::grant::{Capability, Origin};
use crate::instance::Failure;
use crate::kept::Kept;
use crate::plugin::PluginSettings;
use bytes::Bytes;
use gateway_core::dispatch::{self, DEPTH, Dispatch, Target};
use gateway_core::plugin::Next;
use gateway_core::trace::Trace;
use gateway_core::{Body, Error, Exchange, Kind, clock};
use http::{HeaderValue, Method, Uri};
use http_body::Frame;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody};

/// Calls of services and of the rest of the chain together: a request of a client's must not become thousands.
const CALLS: u32 = 256;

/// One request.
pub(crate) struct Call {
    id: HeaderValue,
    dispatch: Arc<dyn Dispatch>,
    depth: u8,
    /// When the head of the answer must be there.
    pub(crate) deadline: Instant,
    /// What the client asked for; a request that names no authority has this one.
    authority: Arc<str>,
    /// The trace that what it asks is told in, at the span of this call.
    trace: Option<Trace>,
    next: Option<Arc<dyn Next>>,
    /// The exchange, for a guest that calls what `gateway:plugin` offers.
    lent: Option<Loan>,
    settings: Arc<PluginSettings>,
    kept: Arc<Kept>,
    made: AtomicU32,
    /// Its place among the requests that the plugin may have; given back at its end.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    /// The instance that has taken it.
    life: OnceLock<Arc<Life>>,
    is_answered: AtomicBool,
    is_over: AtomicBool,
    is_abandoned: AtomicBool,
    /// Nobody waits for its answer any more.
    pub(crate) abandoned: Notify,
    /// What went wrong with a body that the guest was lent; told when it comes back.
    broken: Mutex<Option<Error>>,
}

impl Call {
    pub(crate) fn new(
        exchange: &Exchange,
        deadline: Instant,
        trace: Option<Trace>,
        next: Option<Arc<dyn Next>>,
        lent: Option<Loan>,
        settings: &Arc<PluginSettings>,
        kept: &Arc<Kept>,
    ) -> Self {
        Self {
            id: exchange.id.clone(),
            dispatch: Arc::clone(&exchange.dispatch),
            depth: exchange.depth.saturating_add(1),
            deadline,
            authority: Arc::clone(&exchange.request.authority),
            trace,
            next,
            lent,
            settings: Arc::clone(settings),
            kept: Arc::clone(kept),
            made: AtomicU32::new(0),
            place: Mutex::new(None),
            life: OnceLock::new(),
            is_answered: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            abandoned: Notify::new(),
            broken: Mutex::new(None),
        }
    }

    /// It has a place.
    pub(crate) fn seat(&self, place: OwnedSemaphorePermit) {
        *self.place.lock() = Some(place);
    }

    /// An instance has taken it.
    pub(crate) fn taken(&self, life: &Arc<Life>) {
        if self.life.set(Arc::clone(life)).is_ok() {
            life.begin(self.deadline);
        }
        if self.is_abandoned.load(Ordering::Relaxed) {
            self.end();
        }
    }

    /// The head of its answer is there.
    pub(crate) fn answered(&self) {
        if let Some(life) = self.life.get()
            && !self.is_answered.swap(true, Ordering::Relaxed)
        {
            life.answered();
        }
    }

    /// Nobody waits for it any more. One that still waits for an instance keeps its place until one takes it: the queue has no other bound.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
        self.abandoned.notify_one();
        if self.life.get().is_some() {
            self.end();
        }
    }

    /// The answer's body has ended, or there is none.
    pub(crate) fn end(&self) {
        self.answered();
        if let Some(life) = self.life.get()
            && !self.is_over.swap(true, Ordering::Relaxed)
        {
            life.end();
        }
        drop(self.place.lock().take());
    }

    /// Why its instance was stopped, if it was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.life.get()?.failure()
    }

    /// A piece of a body has moved.
    pub(crate) fn moved(&self, frame: &Frame<Bytes>) {
        if let Some(life) = self.life.get() {
            life.moved(frame.data_ref().map_or(0, Bytes::len));
        }
    }

    /// What the authority is where the guest names none.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The exchange, for what `gateway:plugin` offers.
    pub(crate) fn lent(&self) -> Option<&Loan> {
        self.lent.as_ref()
    }

    /// An error of a body for the guest. The error itself is kept: it is told as whose fault it was, also through a guest.
    pub(crate) fn lend(&self, error: Error) -> WasiError {
        let code = code(&error);
        *self.broken.lock() = Some(error);
        code
    }

    /// An error of a body that a guest gave.
    pub(crate) fn take_back(&self, error: &WasiError) -> Error {
        self.broken
            .lock()
            .take()
            .unwrap_or_else(|| Error::new(Kind::PluginFailed, format!("the guest's body ended with an error: {error}")))
    }

    fn count(&self) -> Result<(), WasiError> {
        match self.made.fetch_add(1, Ordering::Relaxed) < CALLS {
            true => Ok(()),
            false => Err(WasiError::InternalError(Some(format!("a request makes at most {CALLS} calls")))),
        }
    }

    /// Sends a request through the rest of the chain.
    pub(crate) async fn next(
        self: &Arc<Self>,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, WasiError> {
        self.count()?;
        let next = self.next.as_ref().ok_or(WasiError::ConfigurationError)?;
        let (head, body) = request.into_parts();
        let body = self.body(&head.method, body).await;
        match next.call(http::Request::from_parts(head, body)).await {
            Ok(response) => Ok(self.response(response)),
            Err(error) => Err(code(&error)),
        }
    }

    /// Sends a request to a service, if that is granted.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<http::Response<WasiBody>, WasiError> {
        self.count()?;
        if self.depth > DEPTH {
            return Err(WasiError::LoopDetected);
        }
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(WasiError::HttpRequestMethodInvalid);
        }
        let target = self.target(&head.uri)?;
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = match path.starts_with('?') {
            true => format!("/{path}").parse(),
            false => path.parse(),
        }
        .map_err(|_| WasiError::HttpRequestUriInvalid)?;
        let body = self.body(&head.method, body).await;
        let patience = options.and_then(|options| options.first_byte_timeout);
        let asked = patience.and_then(|patience| clock::now().checked_add(patience));
        let call = dispatch::Call {
            target,
            request: http::Request::from_parts(head, body),
            deadline: asked.map_or(self.deadline, |asked| asked.min(self.deadline)),
            depth: self.depth,
            request_id: self.id.clone(),
            trace: self.trace.clone(),
        };
        match self.dispatch.call(call).await {
            Ok(response) => Ok(self.response(response)),
            Err(error) => Err(code(&error)),
        }
    }

    /// Where a URL leads, if that is granted: the name of a granted upstream is a host, and the authority of `upstream:` URLs.
    fn target(&self, uri: &Uri) -> Result<Target, WasiError> {
        let grants = &self.settings.grants;
        let scheme = uri.scheme_str().unwrap_or("http");
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if matches!(scheme, "http" | "upstream")
            && let Some(granted) = grants.http_upstreams.iter().find(|granted| granted.as_str() == authority)
        {
            return Ok(Target::Upstream(granted.as_str().into()));
        }
        let url = format!("{scheme}://{authority}");
        let (origin, _) = Origin::parse(&url).map_err(|_| WasiError::HttpRequestUriInvalid)?;
        if !grants.allows_origin(&origin) {
            self.denied(&url);
            return Err(WasiError::HttpRequestDenied);
        }
        let private = origin.is_address();
        Ok(Target::Origin { host: origin.host, port: origin.port, tls: origin.tls, private })
    }

    fn denied(&self, url: &str) {
        self.kept.denied.increment();
        if !self.kept.denial_logged.swap(true, Ordering::Relaxed) {
            let (plugin, capability) = (&*self.settings.name, Capability::Http.name());
            tracing::warn!(target: "gateway::plugin", plugin, capability, "the plugin called {}, which is not granted", quoted(url));
        }
    }

    async fn body(self: &Arc<Self>, method: &Method, body: WasiBody) -> Body {
        let taken = Taken::new(body, Arc::clone(self));
        match *method {
            // As good as never has one of these a body, and services take offence at one that is announced.
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS => taken.look().await,
            _ => Body::stream(taken),
        }
    }

    fn response(self: &Arc<Self>, response: http::Response<Body>) -> http::Response<WasiBody> {
        response.map(|body| Lent::new(body, Arc::clone(self)).boxed_unsync())
    }
}

/// The code of `wasi:http` for a failure: both follow RFC 9209.
fn code(error: &Error) -> WasiError {
    match error.kind() {
        Kind::DnsError => WasiError::DnsError { rcode: None, info_code: None },
        Kind::DestinationUnavailable => WasiError::DestinationUnavailable,
        Kind::ConnectionRefused => WasiError::ConnectionRefused,
        Kind::ConnectionTerminated | Kind::ClientGone => WasiError::ConnectionTerminated,
        Kind::ConnectionTimeout => WasiError::ConnectionTimeout,
        Kind::ConnectionReadTimeout | Kind::ClientTimeout => WasiError::ConnectionReadTimeout,
        Kind::TlsCertificateError => WasiError::TlsCertificateError,
        Kind::TlsProtocolError => WasiError::TlsProtocolError,
        Kind::HttpResponseTimeout => WasiError::HttpResponseTimeout,
        Kind::HttpResponseTooLarge => WasiError::HttpResponseBodySize(None),
        Kind::HttpUpgradeFailed => WasiError::HttpUpgradeFailed,
        Kind::ConnectionLimitReached | Kind::Overloaded => WasiError::ConnectionLimitReached,
        Kind::LoopDetected => WasiError::LoopDetected,
        Kind::HttpProtocolError => WasiError::HttpProtocolError,
        Kind::BodyTooLarge => WasiError::HttpRequestBodySize(None),
        Kind::HttpRequestError | Kind::HeadTooLarge | Kind::TargetTooLong => WasiError::HttpRequestUriInvalid,
        Kind::PluginFailed | Kind::Internal => WasiError::InternalError(Some(error.detail().to_owned())),
    }
}
