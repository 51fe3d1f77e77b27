//! Numbers as identifiers have them: sixteen digits of base sixteen, in lower case.

/// The digits of a number, the first ones zero where it is small.
#[must_use]
pub fn digits(number: u64) -> [u8; 16] {
    std::array::from_fn(|position| {
        let value = (number >> (60 - 4 * position)) as u8 & 0xf;
        if value < 10 { b'0' + value } else { b'a' - 10 + value }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_its_place() {
        assert_eq!(&digits(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&digits(0xf), b"000000000000000f");
    }
}
