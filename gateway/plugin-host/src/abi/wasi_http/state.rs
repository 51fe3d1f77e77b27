//! What a store of a `wasi:http` component holds beside the guest.

use super::call::Call;
use super::loan::{Borrowed, Loan};
use super::output::Output;
use crate::capabilities::log::Level;
use crate::kept::Kept;
use crate::plugin::PluginSettings;
use crate::pulse::Pulse;
use crate::state::{Room, State};
use gateway_core::headers::is_reserved;
use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRAILER};
use http::uri::Scheme;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Resources of all requests in one store: bodies, fields, streams.
const RESOURCES: usize = 20_000;

/// Bytes that a guest writes of a body at once.
const PIECE: usize = 64 << 10;

/// The data of a store.
pub(crate) struct HttpState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: Hooks,
    pub(crate) room: Room,
    /// Which request each task of the guest's is for. A request that is over is not kept by an instance that goes on.
    tasks: HashMap<GuestTaskId, Weak<Call>>,
    /// For what a guest asks of `gateway:plugin` outside of a request: at its start, or when that is over.
    own: Loan,
}

/// What wasmtime-wasi-http asks.
struct Hooks {
    /// Guests of 0.2 have one request at a time.
    current: Weak<Call>,
}

impl HttpState {
    pub(crate) fn new(settings: &Arc<PluginSettings>, kept: &Arc<Kept>, pulse: Arc<Pulse>) -> Self {
        let output = |level| Output::new(Arc::clone(settings), Arc::clone(kept), level);
        // No files, no variables, no arguments, and no sockets whatever address they are for.
        let wasi = WasiCtx::builder()
            .stdout(output(Level::Info))
            .stderr(output(Level::Warn))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(64 << 10)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(128 << 10);
        let room = Room::new(settings.limits.memory);
        let own = Loan::new(State::new(Arc::clone(settings), Arc::clone(kept), pulse), None);
        Self { wasi, http, table, hooks: Hooks { current: Weak::new() }, room, tasks: HashMap::new(), own }
    }

    /// A task of the guest's begins to answer a request.
    pub(crate) fn begin(&mut self, task: GuestTaskId, call: &Arc<Call>) {
        self.hooks.current = Arc::downgrade(call);
        self.tasks.retain(|_, call| call.strong_count() > 0);
        self.tasks.insert(task, Arc::downgrade(call));
    }

    /// What a call of `gateway:plugin` by this task works on.
    pub(crate) fn borrow(&self, task: Option<GuestTaskId>) -> wasmtime::Result<Borrowed> {
        let call = task.and_then(|task| self.call(task));
        call.as_ref().and_then(|call| call.lent()).unwrap_or(&self.own).borrow()
    }

    /// Which request a task is for, while that is not over.
    pub(crate) fn call(&self, task: GuestTaskId) -> Option<Arc<Call>> {
        self.tasks.get(&task)?.upgrade()
    }
}

/// Where wasmtime-wasi-http finds what it needs.
pub(crate) fn view(state: &mut HttpState) -> WasiHttpCtxView<'_> {
    WasiHttpCtxView { ctx: &mut state.http, table: &mut state.table, hooks: &mut state.hooks }
}

impl WasiView for HttpState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for HttpState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        view(self)
    }
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    /// Called for guests of 0.2; those of 0.3 come by `calls.rs`.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let call = self.current.upgrade();
        Box::new(async move {
            let call = call.ok_or(Error::HttpRequestDenied)?;
            let response = call.send(request, options).await?;
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// Framing is the gateway's. A length is checked by wasmtime-wasi-http against what comes, and goes no further; which trailers follow,
/// HTTP/1.1 has to be told.
fn is_forbidden(name: &HeaderName) -> bool {
    is_reserved(name) && !matches!(*name, CONTENT_LENGTH | TRAILER)
}
