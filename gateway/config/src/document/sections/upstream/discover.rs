//! `discover`: where endpoints are found.

use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::sections::SecretValue;
use crate::document::value::{EndpointUrl, HostAndPort, PlainText, ServiceName, SrvName};

section! {
    /// Where the endpoints of a service are found, again and again. The last good answer is kept while there is no newer one.
    Discover {
        /// A name in DNS, or in the hosts file, and a port (80 when not written): each of its addresses is an endpoint. Asked
        /// again when the answer has expired, after a second at the soonest and five minutes at the latest.
        "dns" => dns: HostAndPort, optional;
        /// The name of SRV records, which say host, port, priority and weight: each address of a host is an endpoint. Their weights are
        /// brought between 1 and 100.
        "srv" => srv: SrvName, optional;
        /// A file with `endpoints = […]`, as they are written here, and nothing else. Relative to this file.
        "file" => file: Spanned<PlainText>, optional;
        /// A service in Consul: its instances whose checks pass.
        "consul" => consul: Consul, optional;
        rule ExactlyOne ["dns", "srv", "file", "consul"];
    }
}

section! {
    /// A service in Consul. Its instances are those whose checks pass, with the weights that are registered.
    Consul {
        /// What it is registered as.
        "service" => service: ServiceName, required;
        /// Where Consul's HTTP API listens; `http://127.0.0.1:8500`, the agent of the same machine, when not written.
        "address" => address: Spanned<EndpointUrl>, optional;
        /// Only instances that have this tag.
        "tag" => tag: ServiceName, optional;
        /// The datacenter that is asked about; the agent's own when not written.
        "datacenter" => datacenter: ServiceName, optional;
        /// The token that is shown, where Consul wants one: `{ secret = "NAME" }`.
        "token" => token: SecretValue, optional;
    }
}
