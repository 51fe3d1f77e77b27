//! Numbers as identifiers have them: sixteen digits of base sixteen, in lower case.

/// The digits of a number, the first ones zero where it is small.
#[must_use]
pub fn digits(number: u64) -> [u8; 16] {
    let text = u128::from(eight((number >> 32) as u32)) << 64 | u128::from(eight(number as u32));
    text.to_be_bytes()
}

/// Eight digits at once, the first one in the highest byte.
fn eight(number: u32) -> u64 {
    // A byte for each, which takes three steps.
    let mut values = u64::from(number);
    for (by, half) in [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)] {
        values = (values | values << by) & half;
    }
    // Six more, and the values from ten on have passed sixteen.
    let letters = (values + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    values + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_its_place() {
        assert_eq!(&digits(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&digits(0xf), b"000000000000000f");
        assert_eq!(&digits(0xfeed_9a90_0aa9_f0f9), b"feed9a900aa9f0f9");
    }
}
