//! Cookies as a client sends them (RFC 6265 section 4.2).

/// The value of the first cookie of this name.
pub(crate) fn value<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    header
        .split(';')
        .find_map(|pair| pair.trim().split_once('=').filter(|(cookie, _)| *cookie == name))
        .map(|(_, value)| value)
}

/// All cookies but those of this name.
pub(crate) fn without(header: &str, name: &str) -> String {
    let is_other = |pair: &&str| pair.split_once('=').is_none_or(|(cookie, _)| cookie != name);
    header.split(';').map(str::trim).filter(is_other).collect::<Vec<_>>().join("; ")
}
