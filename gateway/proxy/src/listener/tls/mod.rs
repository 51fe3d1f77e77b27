//! TLS on a listener (rustls): certificates by name, handshake, what is known of the client.

mod certificates;
mod client;

#[cfg(test)]
mod tests;

use super::socket::Socket;
use certificates::Certificates;
use gateway_config::{Tls as Written, TlsVersion};
use gateway_core::peer::ClientCertificate;
use http::HeaderValue;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedProtocolVersion};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes that are encrypted and not yet taken by the socket, at most (HARDENING P11).
const UNSENT: usize = 32 * 1024;

/// The names of HTTP/2 and HTTP/1.1 (RFC 7301).
const H2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// The first byte of a handshake (RFC 8446 5.1): no method of HTTP begins like this.
const HANDSHAKE: u8 = 22;

/// For whoever took the port for one of plain HTTP.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 33\r\nconnection: close\r\n\r\n\
This port is for `https://` URLs\n";

/// How a listener speaks TLS. Made anew when something of it changes, so that nobody resumes what was agreed on under other
/// certificates or authorities.
pub struct Tls {
    acceptor: TlsAcceptor,
    hsts: Option<HeaderValue>,
}

impl Tls {
    /// Ready to be used.
    ///
    /// # Errors
    /// rustls does not take it.
    pub fn new(written: &Written) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions: &[&SupportedProtocolVersion] = match written.min_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let builder = match &written.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&client.authorities), provider);
                let verifier = if client.required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| Error::General(error.to_string()))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(&written.certificates)));
        config.alpn_protocols = vec![H2.to_vec(), HTTP_11.to_vec()];
        config.ticketer = Ticketer::new()?;
        // The strongest cipher that both have, whatever the client likes best.
        config.ignore_client_order = true;
        let hsts = written.hsts.as_deref().and_then(|hsts| HeaderValue::from_str(hsts).ok());
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), hsts })
    }

    /// What `strict-transport-security` says.
    pub(super) fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// Agrees with the client on keys.
    pub(super) async fn accept(&self, mut socket: Socket) -> io::Result<Box<TlsStream<Socket>>> {
        if socket.peek().await? != HANDSHAKE {
            // Unread, it would turn the close into a reset, which takes the answer with it.
            let _ = socket.read(&mut [0; 16 * 1024]).await?;
            socket.write_all(PLAIN).await?;
            socket.shutdown().await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP on a port of HTTPS"));
        }
        let bound = |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(UNSENT));
        self.acceptor.accept_with(socket, bound).await.map(Box::new)
    }
}

impl PartialEq for Tls {
    /// The same one: what did not change is not made anew.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.acceptor.config(), other.acceptor.config())
    }
}

impl Eq for Tls {}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("hsts", &self.hsts).finish_non_exhaustive()
    }
}

/// Whether the client wants HTTP/2. Over TLS it is said beforehand (RFC 9113 3.2), not guessed from what comes.
pub(super) fn wants_http2(stream: &TlsStream<Socket>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

/// Whose certificate the client has shown, if any.
pub(super) fn client_certificate(stream: &TlsStream<Socket>) -> Option<Arc<ClientCertificate>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    client::read(certificate).map(Arc::new)
}
