//! Go's bufio.Scanner with ScanLines, exact to the byte. The buffer starts at 4,096 bytes and doubles up to 65,536. A
//! line that does not fit into it together with its line feed stops the scanner for good. A `\r` at the end of a line
//! is dropped, and a last line without a line feed looks like any other (bufio/scan.go of Go 1.26).

use crun_capture_reactor::clock::now_ns;
use std::io::Read;

/// Go's bufio.startBufSize.
const START_BYTES: usize = 4096;

/// Go's bufio.MaxScanTokenSize.
const MAX_BYTES: usize = 64 * 1024;

/// The result of one step of the scanner.
#[derive(Debug)]
pub(in crate::strategy) enum Scan<'a> {
    /// A line.
    Line {
        /// The line without its line feed, and without a carriage return before it.
        bytes: &'a [u8],
        /// When the read(2) that completed the line returned, in ns of CLOCK_MONOTONIC.
        at_ns: u64,
    },
    /// The next call reads from the reader, and may block.
    NeedsInput,
    /// There is nothing more to come. None: the stream is at its end. Otherwise the error.
    End(Option<ScanError>),
}

/// The reason why a scanner stopped before the end of its stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::strategy) enum ScanError {
    /// Go's bufio.ErrTooLong: a line does not fit into the buffer.
    #[error("bufio.Scanner: token too long")]
    TooLong,
    /// The reader failed, with this error.
    #[error("read: {0}")]
    Read(String),
}

/// A line scanner like Go's.
pub(in crate::strategy) struct Scanner<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_at_ns: u64,
    /// None: the scanner continues. Some(None): the stream is at its end. Some(error): the scanner has failed.
    over: Option<Option<ScanError>>,
    announced: bool,
}

impl<R: Read> Scanner<R> {
    /// Makes a scanner of this reader.
    pub(in crate::strategy) fn new(reader: R) -> Scanner<R> {
        Scanner { reader, buffer: Vec::new(), start: 0, end: 0, read_at_ns: 0, over: None, announced: false }
    }

    /// Takes one step. Blocks only in the call after `NeedsInput`.
    pub(in crate::strategy) fn scan(&mut self) -> Scan<'_> {
        loop {
            if let Some((from, to, next)) = self.next_line() {
                self.start = next;
                return Scan::Line { bytes: drop_cr(&self.buffer[from..to]), at_ns: self.read_at_ns };
            }
            if let Some(error) = &self.over {
                return Scan::End(error.clone());
            }
            if !self.announced {
                self.announced = true;
                return Scan::NeedsInput;
            }
            self.announced = false;
            if let Err(error) = self.fill() {
                return Scan::End(Some(error));
            }
        }
    }

    /// ScanLines: the start and the end of the next line, and the start of the line after it.
    fn next_line(&self) -> Option<(usize, usize, usize)> {
        let rest = &self.buffer[self.start..self.end];
        match memchr::memchr(b'\n', rest) {
            Some(at) => Some((self.start, self.start + at, self.start + at + 1)),
            None if self.over.is_some() && !rest.is_empty() => Some((self.start, self.end, self.end)),
            None => None,
        }
    }

    /// Makes room in the buffer and reads once. Returns an error only for a line that is too long. An error of the
    /// reader ends the scan later.
    fn fill(&mut self) -> Result<(), ScanError> {
        if self.start > 0 && (self.end == self.buffer.len() || self.start > self.buffer.len() / 2) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= MAX_BYTES {
                self.over = Some(Some(ScanError::TooLong));
                (self.start, self.end) = (0, 0);
                return Err(ScanError::TooLong);
            }
            self.buffer.resize((self.buffer.len() * 2).clamp(START_BYTES, MAX_BYTES), 0);
        }
        let read = loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.read_at_ns = now_ns();
        match read {
            Ok(0) => self.over = Some(None),
            Ok(count) => self.end += count,
            Err(error) => self.over = Some(Some(ScanError::Read(error.to_string()))),
        }
        Ok(())
    }
}

fn drop_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn scan_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<ScanError>) {
        let mut scanner = Scanner::new(bytes);
        let mut lines = Vec::new();
        loop {
            match scanner.scan() {
                Scan::Line { bytes, .. } => lines.push(bytes.to_vec()),
                Scan::NeedsInput => {}
                Scan::End(error) => return (lines, error),
            }
        }
    }

    #[rstest]
    #[case(65_535, true, true)]
    #[case(65_536, true, false)]
    #[case(65_537, true, false)]
    #[case(65_535, false, true)]
    #[case(65_536, false, false)]
    fn the_edge_is_where_go_has_it(#[case] length: usize, #[case] terminated: bool, #[case] passes: bool) {
        let mut bytes = vec![b'x'; length];
        bytes.extend_from_slice(if terminated { b"\nnext\n" } else { b"" });
        let (lines, error) = scan_all(&bytes);
        if passes {
            assert_eq!(lines[0].len(), length);
            assert_eq!((error, lines.len()), (None, if terminated { 2 } else { 1 }));
        } else {
            assert_eq!((lines.len(), error), (0, Some(ScanError::TooLong)));
        }
    }

    #[test]
    fn carriage_returns_go_and_other_bytes_stay() {
        let (lines, error) = scan_all(b"a\r\n\n\rb\0\xff\r\r\nlast\r");
        assert_eq!(lines, [b"a".to_vec(), b"".to_vec(), b"\rb\0\xff\r".to_vec(), b"last".to_vec()]);
        assert_eq!(error, None);
    }

    #[test]
    fn an_error_of_the_reader_comes_after_the_rest() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(std::io::Error::other("file already closed"));
                }
                buffer[..3].copy_from_slice(b"a\nb");
                Ok(3)
            }
        }
        let mut scanner = Scanner::new(Broken(false));
        let mut lines = Vec::new();
        let error = loop {
            match scanner.scan() {
                Scan::Line { bytes, .. } => lines.push(bytes.to_vec()),
                Scan::NeedsInput => {}
                Scan::End(error) => break error,
            }
        };
        assert_eq!(lines, [b"a", b"b"]);
        assert_eq!(error, Some(ScanError::Read("file already closed".into())));
    }

    proptest! {
        #[test]
        fn lines_that_fit_come_out_as_they_went_in(lines in prop::collection::vec("[a-z]{0,300}", 0..200)) {
            let bytes: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
            let (scanned, error) = scan_all(&bytes);
            prop_assert_eq!(scanned, lines.into_iter().map(String::into_bytes).collect::<Vec<_>>());
            prop_assert_eq!(error, None);
        }
    }
}
