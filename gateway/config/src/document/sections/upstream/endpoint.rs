//! One of `endpoints`: a URL, or a table.

use toml::de::DeValue;

use crate::Endpoint;
use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Count, EndpointUrl};

section! {
    /// An endpoint with a weight or a priority.
    WeightedEndpoint {
        /// Where it listens.
        "url" => url: EndpointUrl, required;
        /// Its share of the requests, against the others'.
        "weight" => weight: Count<1, 100>, default(Count::new(1));
        /// Those with a higher number get nothing as long as one with a lower number can take it.
        "priority" => priority: Count<0, 100>, default(Count::new(0));
    }
}

/// Where it listens, and how much it gets.
#[derive(Debug, Clone)]
pub(crate) struct EndpointEntry(pub(crate) Endpoint);

impl Decode for EndpointEntry {
    fn shape() -> Shape {
        Shape::Either(vec![EndpointUrl::shape(), WeightedEndpoint::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Table(_) => {
                let written = WeightedEndpoint::decode(node, decoder)?;
                let (weight, priority) = (written.weight().number(), written.priority().number());
                let EndpointUrl(endpoint) = written.url?;
                Some(Self(Endpoint { weight, priority, ..endpoint }))
            }
            _ => EndpointUrl::decode(node, decoder).map(|EndpointUrl(endpoint)| Self(endpoint)),
        }
    }
}
