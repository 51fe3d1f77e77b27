//! Randomness for the hash tables of the schema library: a component has none of its own, the gateway has.

use getrandom::Error;

/// What the crate `getrandom` calls where it is built with `getrandom_backend="custom"` (`.cargo/config.toml`).
#[expect(unsafe_code, reason = "the crate asks for a function of this kind")]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(destination: *mut u8, length: usize) -> Result<(), Error> {
    let Ok(asked) = u32::try_from(length) else { return Err(Error::UNSUPPORTED) };
    let bytes = plugin_sdk::random::bytes(asked);
    if bytes.len() != length {
        return Err(Error::UNSUPPORTED);
    }
    // SAFETY: the crate hands over so many bytes that may be written.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), destination, length) };
    Ok(())
}
