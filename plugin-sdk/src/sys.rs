//! The functions of the gateway: imports of the component, or natively the harness's fake of them.

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::host::*;

#[cfg(target_family = "wasm")]
pub(crate) use bindings::gateway::plugin::*;

#[cfg(target_family = "wasm")]
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "gateway:plugin/imports",
        with: {
            "gateway:plugin/types@0.1.0": crate::guest::types,
            "gateway:plugin/http@0.1.0/request": crate::fetch::Request,
            "gateway:plugin/log@0.1.0/level": crate::log::Level,
            "gateway:plugin/limit@0.1.0/algorithm": crate::limit::Algorithm,
            "gateway:plugin/limit@0.1.0/budget": crate::limit::Budget,
            "gateway:plugin/limit@0.1.0/standing": crate::limit::Standing,
            "gateway:plugin/crypto@0.1.0/key-set": crate::crypto::KeySet,
            "gateway:plugin/crypto@0.1.0/algorithm": crate::crypto::Algorithm,
            "gateway:plugin/crypto@0.1.0/verified": crate::crypto::Verified,
            "gateway:plugin/crypto@0.1.0/refusal": crate::crypto::Refusal,
        },
        generate_all,
    });
}
