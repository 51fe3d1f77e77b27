//! What fuzzers do with a guest's memory.

use super::lift::Source;
use super::lower::Parcel;
use crate::abi::gateway::wit::{http, limit, types};

/// What may be copied out of the memory, in bytes.
const LIMIT: usize = 64 << 10;

/// Which type is read, where it stands, and the memory.
pub(crate) fn run(data: &[u8]) {
    let Some((turn, rest)) = data.split_first() else { return };
    let Some((at, memory)) = rest.split_first_chunk() else { return };
    let at = u32::from_le_bytes(*at);
    let mut source = Source::new(memory, LIMIT);
    match turn % 6 {
        0 => drop(source.value::<types::Flow>(at)),
        1 => drop(source.value::<types::BodyFlow>(at)),
        2 => drop(source.value::<Result<(), String>>(at)),
        3 => drop(source.list::<limit::Budget>(at, 3)),
        4 => drop(source.list::<http::Request>(at, 2)),
        _ => drop(source.value::<types::Response>(at).map(|response| is_the_same_again(&response))),
    }
}

/// What the host lays out for a guest is what it would read there.
fn is_the_same_again(response: &types::Response) {
    let mut memory = vec![0; 4 * LIMIT];
    let (mut parcel, mut free) = (Parcel::default(), 1024_u32);
    let mut wanted = parcel.pack(response, 64, &mut memory);
    while let Ok(piece) = wanted
        && piece != 0
    {
        let (size, align) = (piece as u32, (piece >> 32) as u32);
        let at = free.next_multiple_of(align);
        free = at + size;
        wanted = parcel.place(at, &mut memory);
    }
    let again = Source::new(&memory, LIMIT).value::<types::Response>(64);
    let again = again.map(|again| format!("{again:?}"));
    assert!(again.as_ref().is_ok_and(|again| *again == format!("{response:?}")), "{again:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_out_is_read_again() {
        let field = |name: &str, value: &str| types::Field { name: name.to_owned(), value: value.into() };
        let (none, some) = (vec![], vec![field("x-one", "1"), field("", ""), field("x-three", "three")]);
        for (headers, body) in [(none, ""), (some, "a body")] {
            is_the_same_again(&types::Response { status: 404, headers, body: body.into() });
        }
    }
}
