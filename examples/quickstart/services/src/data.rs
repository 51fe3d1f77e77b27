//! What the services know.

use crate::http::{Answer, Request};
use serde_json::{Value, json};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Catalogue,
    Basket,
    Ordering,
}

impl Service {
    const ALL: [Self; 3] = [Self::Catalogue, Self::Basket, Self::Ordering];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.to_string() == name)
    }

    pub(crate) fn answer(self, request: &Request) -> Answer {
        let known = match self {
            _ if request.method != "GET" => None,
            Self::Catalogue => catalogue(&request.path),
            Self::Basket => basket(&request.path, &request.consumer),
            Self::Ordering => ordering(&request.path, &request.consumer),
        };
        match known {
            Some(body) => Answer { status: 200, body },
            None => Answer { status: 404, body: json!({ "error": "not found", "path": request.path }) },
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Catalogue => "catalogue",
            Self::Basket => "basket",
            Self::Ordering => "ordering",
        })
    }
}

fn catalogue(path: &str) -> Option<Value> {
    let products = [
        json!({ "id": 1, "name": "Teapot", "price": 24.5, "description": "Cast iron, 0.8 l", "image": "/images/1.jpg" }),
        json!({ "id": 2, "name": "Cup", "price": 6.0, "description": "Porcelain, 0.2 l", "image": "/images/2.jpg" }),
        json!({ "id": 3, "name": "Green tea", "price": 9.9, "description": "Sencha, 100 g", "image": "/images/3.jpg" }),
    ];
    match path.strip_prefix("/v1/products")? {
        "" => Some(json!({ "products": products })),
        rest => {
            let id: u64 = rest.strip_prefix('/')?.parse().ok()?;
            products.into_iter().find(|product| product["id"] == id)
        }
    }
}

fn basket(path: &str, consumer: &str) -> Option<Value> {
    let items = json!([{ "product": 1, "quantity": 1 }, { "product": 2, "quantity": 4 }]);
    (path == "/v1/basket").then(|| json!({ "consumer": consumer, "items": items, "total": 48.5 }))
}

fn ordering(path: &str, consumer: &str) -> Option<Value> {
    let orders = json!([
        { "id": 17, "state": "shipped", "total": 30.4, "placed": "2026-03-02" },
        { "id": 12, "state": "delivered", "total": 9.9, "placed": "2026-01-15" },
    ]);
    (path == "/v1/orders").then(|| json!({ "consumer": consumer, "orders": orders }))
}
