//! The catalog's messages and its server, of `catalog.proto`; `protoc` is not needed for it.

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=..");
    let described = protox::compile(["../catalog.proto"], [".."])?;
    tonic_prost_build::configure().build_client(false).compile_fds(described)?;
    Ok(())
}
