//! `discover`: paths from the root of the file system, tokens found.

use super::secrets::Secrets;
use crate::document::decode::Spanned;
use crate::document::read::beside;
use crate::document::reports::Reports;
use crate::document::sections;
use crate::document::value::{EndpointUrl, HostAndPort, PlainText, ServiceName, SrvName};
use crate::environment::Environment;
use crate::{Consul, Diagnostic, Discover, Endpoint};

/// The port of Consul's HTTP API.
const CONSUL: u16 = 8500;

/// Where endpoints are found; none when something is wrong with it, which has been reported then.
pub(crate) fn resolve(
    written: &sections::Discover,
    secrets: &mut Secrets<'_>,
    environment: &dyn Environment,
    reports: &mut Reports,
) -> Option<Discover> {
    let sections::Discover { dns, srv, file, consul } = written;
    if let Some(HostAndPort { host, port }) = dns {
        return Some(Discover::Dns { host: host.clone(), port: *port });
    }
    if let Some(SrvName(name)) = srv {
        return Some(Discover::Srv(name.clone()));
    }
    if let Some(file) = file {
        let PlainText(path) = &file.value;
        return Some(Discover::File(environment.absolute(&beside(&file.place.file, path.as_ref()))));
    }
    let sections::Consul { service, address, tag, datacenter, token } = consul.as_ref()?;
    let token = match token {
        Some(token) => Some(secrets.find(token.secret.as_ref()?, reports)?),
        None => None,
    };
    let (host, port) = match address {
        Some(Spanned { value: EndpointUrl(Endpoint { tls: true, .. }), place }) => {
            let diagnostic = Diagnostic::error("invalid-url", "Consul is asked over plain HTTP only");
            reports.add(diagnostic.at(place).hint("its agent listens on the same machine: `http://127.0.0.1:8500`"));
            return None;
        }
        Some(Spanned { value: EndpointUrl(Endpoint { host, port, .. }), .. }) => (host.clone(), *port),
        None => ("127.0.0.1".to_owned(), CONSUL),
    };
    let text = |name: &ServiceName| name.0.clone();
    Some(Discover::Consul(Consul {
        host,
        port,
        service: service.as_ref().map(text)?,
        tag: tag.as_ref().map(text),
        datacenter: datacenter.as_ref().map(text),
        token,
    }))
}
