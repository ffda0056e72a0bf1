//! Refuses HTTP/1.1 messages that two readers could cut at two places.
//!
//! hyper follows the letter of the specification, which lets a server repair some of these; a proxy in front may repair
//! them differently, and then a second request can hide in the first one's body. So these are refused: a bare line feed
//! as a line's end, `Content-Length` twice or beside `Transfer-Encoding`, a coding other than `chunked`, folded lines,
//! and chunk extensions.
//!
//! The bytes pass through on their way to hyper. Where one of these is seen, the line's end is overwritten by a NUL
//! that no parser takes and the message is ended there, so that hyper itself answers 400 and closes; nothing after it
//! gets through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use memchr::{memchr, memchr2, memchr3};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::{Connection, Phase};

/// The longest line that is kept from one read to the next; hyper refuses heads that are longer.
const LINE_MAX: usize = 64 << 10;

/// What a refused message is cut short with: an end of the head, so that hyper looks at it at once, and finds the NUL.
const ENDING: &[u8] = b"\n\n";

/// A stream whose incoming bytes are looked at.
pub(super) struct Strict<'c, S> {
    stream: S,
    scanner: Scanner,
    connection: &'c Connection,
    /// What still has to be said of a refused message.
    ending: &'static [u8],
}

impl<'c, S> Strict<'c, S> {
    pub(super) fn new(stream: S, connection: &'c Connection) -> Self {
        Self {
            stream,
            scanner: Scanner::default(),
            connection,
            ending: ENDING,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<'_, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.scanner.state == State::Refused {
            // What is left of the end of the refused message, and then no more.
            let left = this.ending.len().min(buf.remaining());
            buf.put_slice(&this.ending[..left]);
            this.ending = &this.ending[left..];
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if matches!(result, Poll::Ready(Ok(()))) {
            let heads = this.scanner.heads;
            let kept = this.scanner.scan(&mut buf.filled_mut()[before..]);
            buf.set_filled(before + kept);
            if this.scanner.state == State::Refused {
                let room = this.ending.len().min(buf.remaining());
                buf.put_slice(&this.ending[..room]);
                this.ending = &this.ending[room..];
            }
            if this.scanner.heads > heads || this.scanner.is_in_body() {
                this.connection.enter(Phase::Busy);
            } else if this.scanner.is_in_head() {
                this.connection.enter(Phase::Head);
            }
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> Strict<'_, S> {
    /// An answer that is not taken at once has a time in which it must be taken whole.
    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        if result.is_pending() {
            self.connection.enter(Phase::Writing);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<'_, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(&result);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        if result.is_ready() {
            this.connection.leave(Phase::Writing, Phase::Idle);
        }
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Follows the framing of one connection's requests.
#[derive(Default)]
struct Scanner {
    state: State,
    part: Part,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    content_length: Option<u64>,
    chunked: bool,
    /// How many heads have come to their end.
    heads: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In a line of the part that `part` names.
    #[default]
    Line,
    /// In a body, or in a chunk with the line end that follows it.
    Bytes { left: u64 },
    /// Something was refused.
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    RequestLine,
    Header,
    ChunkSize,
    /// The line end behind a chunk's bytes.
    ChunkEnd,
    Trailer,
}

/// What a line is refused for does not matter to anybody but a reader of this file.
struct Refused;

impl Scanner {
    /// Looks at fresh bytes, and says how many of them may go on: all, or those up to what is refused, whose last byte is
    /// spoiled.
    fn scan(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Refused => return 0,
                State::Bytes { left } => {
                    let skipped = left.min((bytes.len() - at) as u64);
                    self.state = match left - skipped {
                        0 => State::Line,
                        left => State::Bytes { left },
                    };
                    at += skipped as usize;
                }
                State::Line => {
                    let rest = &bytes[at..];
                    // Nearly every line is there whole, and the first byte of it that matters is its end.
                    if let Some(length) = memchr3(b'\r', b'\n', 0, rest)
                        && rest[length..].starts_with(b"\r\n")
                        && self.line.is_empty()
                    {
                        let end = at + length + 1;
                        if let Err(Refused) = self.take_clean(&rest[..length]) {
                            return self.refuse(bytes, end);
                        }
                        at = end + 1;
                        continue;
                    }
                    let Some(end) = memchr(b'\n', rest).map(|end| at + end) else {
                        if self.line.len() + bytes.len() - at <= LINE_MAX {
                            self.line.extend_from_slice(rest);
                            return bytes.len();
                        }
                        return self.refuse(bytes, bytes.len() - 1);
                    };
                    let mut whole = std::mem::take(&mut self.line);
                    whole.extend_from_slice(&bytes[at..=end]);
                    if let Err(Refused) = self.take(&whole) {
                        return self.refuse(bytes, end);
                    }
                    at = end + 1;
                }
            }
        }
        bytes.len()
    }

    fn refuse(&mut self, bytes: &mut [u8], at: usize) -> usize {
        self.state = State::Refused;
        bytes[at] = 0;
        at + 1
    }

    /// Whether a head has begun and not ended. Empty lines before one do not begin it.
    fn is_in_head(&self) -> bool {
        match self.part {
            Part::RequestLine => self.state == State::Refused || !self.line.is_empty(),
            Part::Header => true,
            Part::ChunkSize | Part::ChunkEnd | Part::Trailer => false,
        }
    }

    fn is_in_body(&self) -> bool {
        matches!(self.state, State::Bytes { .. })
            || matches!(self.part, Part::ChunkSize | Part::ChunkEnd | Part::Trailer)
    }

    /// Takes one line with its end.
    fn take(&mut self, line: &[u8]) -> Result<(), Refused> {
        let line = line.strip_suffix(b"\r\n").ok_or(Refused)?;
        if memchr2(b'\r', 0, line).is_some() {
            return Err(Refused);
        }
        self.take_clean(line)
    }

    /// Takes one line without its end, in which there is neither a carriage return nor a NUL.
    fn take_clean(&mut self, line: &[u8]) -> Result<(), Refused> {
        match self.part {
            Part::RequestLine if line.is_empty() => {}
            Part::RequestLine => {
                self.content_length = None;
                self.chunked = false;
                self.part = Part::Header;
            }
            Part::Header if line.is_empty() => self.end_of_head(),
            Part::Header => self.header(line)?,
            Part::ChunkSize => self.chunk_size(line)?,
            Part::ChunkEnd if line.is_empty() => self.part = Part::ChunkSize,
            Part::ChunkEnd => return Err(Refused),
            Part::Trailer if line.is_empty() => self.part = Part::RequestLine,
            Part::Trailer => {}
        }
        Ok(())
    }

    fn end_of_head(&mut self) {
        self.heads += 1;
        if self.chunked {
            self.part = Part::ChunkSize;
            return;
        }
        self.part = Part::RequestLine;
        if let Some(left) = self.content_length.filter(|length| *length > 0) {
            self.state = State::Bytes { left };
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Refused> {
        // A space in a name: a folded line, or one before the colon.
        let colon = line.iter().position(|byte| ENDS_NAME[usize::from(*byte)]).ok_or(Refused)?;
        let name = &line[..colon];
        if name.is_empty() || line[colon] != b':' {
            return Err(Refused);
        }
        let value = || line[colon + 1..].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.chunked || self.content_length.is_some() {
                return Err(Refused);
            }
            self.content_length = Some(number(value(), 10).ok_or(Refused)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || self.content_length.is_some() || !value().eq_ignore_ascii_case(b"chunked") {
                return Err(Refused);
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), Refused> {
        match number(line, 16).ok_or(Refused)? {
            0 => self.part = Part::Trailer,
            left => {
                self.part = Part::ChunkEnd;
                self.state = State::Bytes { left };
            }
        }
        Ok(())
    }
}

/// The bytes at which a header's name ends, and those that must not come before its colon.
static ENDS_NAME: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        ends[byte] = byte == b':' as usize || (byte as u8).is_ascii_whitespace();
        byte += 1;
    }
    ends
};

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans a text in pieces of every size, and says whether it got through untouched: the same for all.
    fn passes(text: &str) -> bool {
        let results: Vec<bool> = (1..=text.len())
            .map(|size| {
                let mut scanner = Scanner::default();
                let mut passed = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    let mut piece = piece.to_vec();
                    let kept = scanner.scan(&mut piece);
                    passed.extend_from_slice(&piece[..kept]);
                }
                passed == text.as_bytes()
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{text:?}: {results:?}");
        results[0]
    }

    #[test]
    fn clear_messages_pass_untouched() {
        for text in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(passes(text), "{text:?}");
        }
    }

    #[test]
    fn ambiguous_messages_are_spoiled_wherever_they_are_cut() {
        for text in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\n: empty\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        ] {
            assert!(!passes(text), "{text:?}");
        }
    }

    #[test]
    fn nothing_gets_through_after_a_refusal() {
        let mut bytes = b"GET / HTTP/1.1\nHost: x\r\n\r\nGET /admin HTTP/1.1\r\n\r\n".to_vec();
        let mut scanner = Scanner::default();
        let kept = scanner.scan(&mut bytes);
        assert_eq!(&bytes[..kept], b"GET / HTTP/1.1\0");
        assert_eq!(scanner.scan(&mut b"GET / HTTP/1.1\r\n\r\n".to_vec()), 0);
    }
}
