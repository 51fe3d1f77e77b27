//! The catalog: a service of gRPC, whose items change while they are watched.

use crate::say;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use messages::catalog_server::{Catalog, CatalogServer};
use messages::{CreateItemRequest, GetItemRequest, Item};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

/// What `build.rs` made of `catalog.proto`.
#[expect(clippy::allow_attributes_without_reason, unreachable_pub, unused_qualifications, reason = "generated")]
mod messages {
    tonic::include_proto!("catalog.v1");
}

/// Answers for ever.
pub(crate) async fn serve(listener: TcpListener) {
    let service = CatalogServer::new(Items::default());
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A client that goes away ends its connection and nothing else.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

struct Items {
    by_sku: Arc<watch::Sender<BTreeMap<String, Item>>>,
}

impl Default for Items {
    fn default() -> Self {
        let item = |sku: &str, title: &str, price| Item { sku: sku.into(), title: title.into(), price };
        let items = [item("boots", "A pair of boots", 8900), item("tea", "Green tea, 100 g", 990)];
        let by_sku = items.into_iter().map(|item| (item.sku.clone(), item)).collect();
        Self { by_sku: Arc::new(watch::Sender::new(by_sku)) }
    }
}

#[tonic::async_trait]
impl Catalog for Items {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        let sku = request.into_inner().sku;
        say(&format!("catalog: asked for {sku}"));
        let item = self.by_sku.borrow().get(&sku).cloned();
        item.map(Response::new).ok_or_else(|| Status::not_found(format!("there is no item {sku}")))
    }

    /// Adds one, or changes it.
    async fn create_item(&self, request: Request<CreateItemRequest>) -> Result<Response<Item>, Status> {
        let item = request.into_inner().item.filter(|item| !item.sku.is_empty());
        let item = item.ok_or_else(|| Status::invalid_argument("an item has a sku"))?;
        say(&format!("catalog: told of {}", item.sku));
        self.by_sku.send_modify(|items| drop(items.insert(item.sku.clone(), item.clone())));
        Ok(Response::new(item))
    }

    type WatchItemStream = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

    /// The item as it is, then each time it has changed.
    async fn watch_item(&self, request: Request<GetItemRequest>) -> Result<Response<Self::WatchItemStream>, Status> {
        let sku = request.into_inner().sku;
        say(&format!("catalog: {sku} is watched"));
        let mut last = None;
        let items = WatchStream::new(self.by_sku.subscribe()).filter_map(move |items| {
            let item = items.get(&sku).cloned();
            let changed = if item == last { None } else { item.clone() };
            last = item;
            changed.map(Ok)
        });
        Ok(Response::new(Box::pin(items)))
    }
}
