//! Bit patterns of decode rows, as all guests write them: from bit 31 down, runs of `0` and `1` must match, `x` is any bit, `name` is a field of one bit
//! and `name:n` a field of n bits.

/// Mask and value of a pattern; a pattern that has not 32 bits does not compile.
pub const fn parse(pattern: &str) -> (u32, u32) {
    let p = pattern.as_bytes();
    let (mut mask, mut value, mut bits) = (0u64, 0u64, 0u32);
    let mut i = 0;
    while i < p.len() {
        match p[i] {
            b' ' => i += 1,
            b'0' | b'1' => {
                mask = mask << 1 | 1;
                value = value << 1 | (p[i] - b'0') as u64;
                bits += 1;
                i += 1;
            }
            _ => {
                let start = i;
                while i < p.len() && p[i] != b' ' && p[i] != b':' {
                    i += 1;
                }
                let mut n = 0;
                if i < p.len() && p[i] == b':' {
                    i += 1;
                    while i < p.len() && p[i].is_ascii_digit() {
                        n = n * 10 + (p[i] - b'0') as u32;
                        i += 1;
                    }
                } else if p[start] == b'x' {
                    // A run of x stands for as many bits, so that `xxx` reads like a run of digits.
                    n = (i - start) as u32;
                } else {
                    n = 1;
                }
                assert!(n > 0 && n < 32, "a field of no or too many bits");
                mask <<= n;
                value <<= n;
                bits += n;
            }
        }
    }
    assert!(bits == 32, "a pattern that has not 32 bits");
    (mask as u32, value as u32)
}
