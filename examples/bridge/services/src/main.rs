//! The services behind the example: orders that answer on NATS, prices on RabbitMQ, a catalog of gRPC and customers of HTTP.
//!
//! It makes the queues and the stream as well, and says what it is asked. Not here: anything about the gateway.

mod catalog;
mod customers;
mod orders;
mod prices;

use anyhow::Context as _;
use clap::Parser;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

/// The services behind the example; the defaults are what its gateway.toml names.
#[derive(Parser)]
#[command(version, after_help = "A broker that is not there yet, or no longer, is tried again every second.")]
struct Arguments {
    /// The NATS that orders answer on
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// The RabbitMQ that prices answer on
    #[arg(long, value_name = "URL", default_value = "amqp://127.0.0.1:5672")]
    amqp: String,
    /// Where the catalog serves gRPC
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    catalog: SocketAddr,
    /// Where customers are served by HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9002")]
    customers: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let served = async {
        let catalog = listen("catalog", arguments.catalog).await?;
        let customers = listen("customers", arguments.customers).await?;
        tokio::join!(
            catalog::serve(catalog),
            customers::serve(customers),
            again("orders", async || orders::serve(&arguments.nats).await),
            again("prices", async || prices::serve(&arguments.amqp).await),
        );
        anyhow::Ok(())
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn listen(service: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{service} cannot listen at {address}"))?;
    say(&format!("{service}: listens at {}", listener.local_addr()?));
    Ok(listener)
}

/// Serves for as long as there is a broker, and once there is one again.
async fn again(service: &str, serve: impl AsyncFn() -> anyhow::Result<()>) {
    loop {
        match serve().await {
            Ok(()) => say(&format!("{service}: the broker has gone")),
            Err(error) => say(&format!("{service}: there is no broker: {error:#}")),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn say(line: &str) {
    // There is nobody to tell when standard error is closed.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
