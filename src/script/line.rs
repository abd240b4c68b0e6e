//! The codec of stamped lines.
//!
//! `S NNNNNNNNNN TTTTTTTTTTTTTTTT DDDDDDDDDDDDDDDD payload CCCCCCCC`: stream (`o` or `e`), sequence number (10 digits),
//! time of the write and time it was due (16 hex digits each, CLOCK_MONOTONIC ns), payload, CRC-32 of everything before
//! it. The fields have fixed widths, so a line can have any length from `LENGTH_MIN` on. The payload follows from the
//! seed and the sequence number, so a reader detects an altered line without a copy of the original.

use crun_capture_reactor::Stream;

/// One stamped line, without its terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampedLine {
    /// The stream it was written to.
    pub stream: Stream,
    /// Its number within the run, over both streams, from 0.
    pub sequence: u64,
    /// When it was written, in CLOCK_MONOTONIC ns. For a program that buffers: when it was printed.
    pub stamp_ns: u64,
    /// When it was due to be written, in CLOCK_MONOTONIC ns.
    pub due_ns: u64,
    /// Length of the whole line without its terminator, in bytes.
    pub length: usize,
}

const PREFIX: usize = 1 + 1 + 10 + 1 + 16 + 1 + 16 + 1;
const SUFFIX: usize = 1 + 8;

/// The length of the shortest stamped line, in bytes without the terminator. Its payload is one byte.
pub const LENGTH_MIN: usize = PREFIX + 1 + SUFFIX;

/// The largest sequence number that fits into ten digits.
pub const SEQUENCE_MAX: u64 = 9_999_999_999;

const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/// Appends the line to `buffer`, without a terminator.
///
/// # Panics
/// `length` is less than `LENGTH_MIN`, or the sequence number is greater than `SEQUENCE_MAX`. `Script::check` refuses
/// lines that are too short.
pub fn encode(line: &StampedLine, seed: u64, buffer: &mut Vec<u8>) {
    assert!(line.length >= LENGTH_MIN && line.sequence <= SEQUENCE_MAX);
    let start = buffer.len();
    let letter = match line.stream {
        Stream::Stdout => b'o',
        Stream::Stderr => b'e',
    };
    // Formatted by hand: a workload that writes a gigabyte a second formats ten million of these lines, and `write!`
    // took ten times as long.
    buffer.extend_from_slice(&[letter, b' ']);
    append_decimal(buffer, line.sequence);
    buffer.push(b' ');
    append_hex::<16>(buffer, line.stamp_ns);
    buffer.push(b' ');
    append_hex::<16>(buffer, line.due_ns);
    buffer.push(b' ');
    append_payload(buffer, seed, line.sequence, line.length - PREFIX - SUFFIX);
    let checksum = crc32fast::hash(&buffer[start..]);
    buffer.push(b' ');
    append_hex::<8>(buffer, u64::from(checksum));
}

/// Appends ten decimal digits.
fn append_decimal(buffer: &mut Vec<u8>, value: u64) {
    let (mut digits, mut rest) = ([b'0'; 10], value);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    buffer.extend_from_slice(&digits);
}

/// Appends `N` hex digits in lower case.
fn append_hex<const N: usize>(buffer: &mut Vec<u8>, value: u64) {
    let digit = |at: usize| b"0123456789abcdef"[(value >> (4 * (N - 1 - at)) & 0xf) as usize];
    buffer.extend_from_slice(&std::array::from_fn::<u8, N, _>(digit));
}

/// Reads a line back. None: it is not a stamped line of this seed, byte for byte.
pub fn decode(bytes: &[u8], seed: u64) -> Option<StampedLine> {
    if bytes.len() < LENGTH_MIN {
        return None;
    }
    let (body, suffix) = bytes.split_at(bytes.len() - SUFFIX);
    let stream = match body[0] {
        b'o' => Stream::Stdout,
        b'e' => Stream::Stderr,
        _ => return None,
    };
    let spaces = [body[1], body[12], body[29], body[46], suffix[0]];
    if spaces.iter().any(|&byte| byte != b' ') {
        return None;
    }
    let sequence = number(&body[2..12], 10)?;
    let line = StampedLine {
        stream,
        sequence,
        stamp_ns: number(&body[13..29], 16)?,
        due_ns: number(&body[30..46], 16)?,
        length: bytes.len(),
    };
    let checksum_holds = number(&suffix[1..], 16)? == u64::from(crc32fast::hash(body));
    (checksum_holds && payload_is(&body[PREFIX..], seed, sequence)).then_some(line)
}

/// Parses digits in lower case only. `from_str_radix` alone would accept a sign and capitals, which `encode` never
/// writes.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if !digits.iter().all(|byte| byte.is_ascii_digit() || (radix == 16 && (b'a'..=b'f').contains(byte))) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// The position in the alphabet at which the payload of a line starts: a Fibonacci hash of seed and sequence number.
fn payload_start(seed: u64, sequence: u64) -> usize {
    ((seed ^ sequence).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

fn append_payload(buffer: &mut Vec<u8>, seed: u64, sequence: u64, length: usize) {
    let start = payload_start(seed, sequence);
    let mut left = length;
    let mut from = start;
    while left > 0 {
        let piece = &ALPHABET[from..(from + left).min(ALPHABET.len())];
        buffer.extend_from_slice(piece);
        left -= piece.len();
        from = 0;
    }
}

fn payload_is(payload: &[u8], seed: u64, sequence: u64) -> bool {
    let start = payload_start(seed, sequence);
    let first = payload.len().min(ALPHABET.len() - start);
    payload[..first] == ALPHABET[start..start + first]
        && payload[first..].chunks(ALPHABET.len()).all(|piece| piece == &ALPHABET[..piece.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_line() -> impl Strategy<Value = StampedLine> {
        (any::<bool>(), 0..=SEQUENCE_MAX, any::<u64>(), any::<u64>(), LENGTH_MIN..70_000).prop_map(
            |(out, sequence, stamp_ns, due_ns, length)| StampedLine {
                stream: if out { Stream::Stdout } else { Stream::Stderr },
                sequence,
                stamp_ns,
                due_ns,
                length,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(line in any_line(), seed: u64) {
            let mut bytes = Vec::new();
            encode(&line, seed, &mut bytes);
            prop_assert_eq!(bytes.len(), line.length);
            prop_assert!(!bytes.contains(&b'\n'));
            prop_assert_eq!(decode(&bytes, seed), Some(line));
        }

        #[test]
        fn any_changed_byte_is_noticed(line in any_line(), seed: u64, at: prop::sample::Index, flip in 1_u8..) {
            let mut bytes = Vec::new();
            encode(&line, seed, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(decode(&bytes, seed), None);
        }

        #[test]
        fn any_cut_is_noticed(line in any_line(), seed: u64, at: prop::sample::Index) {
            let mut bytes = Vec::new();
            encode(&line, seed, &mut bytes);
            bytes.truncate(at.index(bytes.len()));
            prop_assert_eq!(decode(&bytes, seed), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, seed: u64) {
            decode(&bytes, seed);
        }
    }
}
