//! The frames of a capturer as they arrive: deliveries, and the capturer's account.

use crate::capturer::Summary;
use crate::files::read_regular;
use crate::phase::{Phase, reached};
use crate::sink::frame::{Decoder, Frame};
use crun_capture_reactor::Delivered;
use crun_capture_reactor::clock::now_ns;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::path::Path;

/// The limit for the frames of one capturer. No cell delivers this much. The harness stops reading at the limit, so
/// that a capturer cannot fill its memory.
const FRAMES_MAX_BYTES: u64 = 256 << 20;

/// How much is read at a time, before the harness checks the deadline and the user again.
pub(super) const READ_MAX_BYTES: u64 = 4 << 20;

/// The things that have come from the capturer.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The read end of the live pipe. None: the pipe was closed, is at its end, or never existed.
    frames: Option<OwnedFd>,
    decoder: Decoder,
    read_bytes: u64,
    /// Whether somebody else reads the output, so that the deliveries in the frames do not count.
    ignores_deliveries: bool,
    pub(super) deliveries: Vec<Delivered>,
    /// The capturer's own stamps. Those of the partner's deliveries are missing at the end.
    pub(super) stamps: Vec<Option<u64>>,
    pub(super) summary: Option<Summary>,
    /// The first fault in what the capturer says.
    pub(super) protocol_error: Option<String>,
}

impl Inbox {
    /// Makes an inbox for this read end, which does not block. None: the capturer has no live descriptor.
    pub(super) fn new(frames: Option<OwnedFd>, ignores_deliveries: bool) -> Inbox {
        Inbox { frames, ignores_deliveries, ..Inbox::default() }
    }

    /// The descriptor to wait for.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.frames.as_ref().map(AsFd::as_fd)
    }

    /// Notes a fault, unless one was noted before.
    pub(super) fn fault(&mut self, fault: String) {
        self.protocol_error.get_or_insert(fault);
    }

    /// Reads what is in the live pipe, at most this many bytes, without blocking.
    pub(super) fn read(&mut self, most_bytes: u64) {
        let mut buffer = [0; 64 << 10];
        let stop_at = self.read_bytes + most_bytes;
        while let Some(frames) = self.frames.as_ref().filter(|_| self.read_bytes < stop_at) {
            let length = buffer.len().min((stop_at - self.read_bytes) as usize);
            match rustix::io::read(frames, &mut buffer[..length]) {
                Ok(0) => self.frames = None,
                Ok(count) => {
                    self.read_bytes += count as u64;
                    if self.read_bytes > FRAMES_MAX_BYTES {
                        self.fault(format!("more than {FRAMES_MAX_BYTES} bytes of frames"));
                        self.frames = None;
                        return;
                    }
                    self.decoder.push(&buffer[..count]);
                    self.decode();
                    reached(Phase::Delivering);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(errno) => {
                    self.fault(format!("cannot read the frames: {errno}"));
                    self.frames = None;
                }
            }
        }
    }

    fn decode(&mut self) {
        let arrived_ns = now_ns();
        loop {
            match self.decoder.next(arrived_ns) {
                Ok(Some(Frame::Delivered(delivered, stamp))) => {
                    // The harness believes its own clock. What the capturer says is kept beside it.
                    if !self.ignores_deliveries {
                        self.deliveries.push(Delivered { at_ns: arrived_ns, ..delivered });
                        self.stamps.push(stamp);
                    }
                }
                Ok(Some(Frame::Outcome(json))) => self.take_account(&json, "the outcome frame"),
                Ok(None) => return,
                Err(error) => {
                    // Nothing after this can be read. The pipe stays open, so that the capturer does not die of
                    // SIGPIPE.
                    self.fault(error.to_string());
                    self.decoder = Decoder::default();
                    return;
                }
            }
        }
    }

    fn take_account(&mut self, json: &[u8], what: &str) {
        match serde_json::from_slice(json) {
            Ok(summary) => self.summary = Some(summary),
            Err(error) => self.fault(format!("{what}: {error}")),
        }
    }

    /// Reads the account of a capturer that has no live descriptor. A capturer of the user may give none.
    pub(super) fn read_account(&mut self, path: &Path) {
        match read_regular(path) {
            Ok(Some(json)) => self.take_account(&json, "the account"),
            Ok(None) => {}
            Err(error) => self.fault(error.to_string()),
        }
    }

    /// Stops reading. What has come stays.
    pub(super) fn close(&mut self) {
        self.frames = None;
    }

    /// Stops reading, and discards an incomplete frame.
    pub(super) fn close_in_mid_frame(&mut self) {
        self.frames = None;
        self.decoder = Decoder::default();
    }

    /// Notes a fault if the last frame is incomplete, because nothing more can come.
    pub(super) fn finish(&mut self) {
        if self.decoder.pending() > 0 {
            self.fault("the last frame is not whole".to_owned());
        }
    }
}
