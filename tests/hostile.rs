//! Hostile callers: bytes that two readers could read in two ways, callers that stall, names and values that pretend,
//! policies that err, decisions that break off. None gets an allow, and none keeps others from their answers.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatepost::app::{self, Settings};
use gatepost::engine::json::Json;
use gatepost::engine::{Cause, ErringForbid, Options, Query};
use gatepost::store::compile_files;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::{
    Client, Dice, EVALUATION, EVALUATIONS, PATIENCE, Process, Root, Sidecar, gatepost, question, rounds, settings,
};

/// Permits everything, without looking at anything.
const PERMIT: &str = "permit (principal, action, resource);";
/// Forbids everything.
const FORBID: &str = "forbid (principal, action, resource);";
/// The question that the tiny root is asked.
const ASKED: ((&str, &str), &str, (&str, &str)) = (("User", "a"), "view", ("Doc", "d"));
/// What it answers.
const ALLOWED: &str = "{\"decision\":true}";

/// Held by tests that open hundreds of connections, so that together they stay below the usual limit of open files.
static CROWD: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The body of the question that the tiny root is asked.
fn asked() -> String {
    question(ASKED.0, ASKED.1, ASKED.2)
}

/// Asks it.
async fn is_allowed(client: &mut Client) -> bool {
    client.asks(ASKED.0, ASKED.1, ASKED.2).await
}

/// Asks it until the answer is the one that an edit leads to.
async fn until_allowed_is(client: &mut Client, allowed: bool) {
    let begun = Instant::now();
    while is_allowed(client).await != allowed {
        assert!(begun.elapsed() < PATIENCE, "the answer stays {}", !allowed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads `/status` until it says something.
async fn until_status(client: &mut Client, what: &str, says: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = client.get("/status").await.json();
        if says(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come: {status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Settings under which a caller that stalls is soon told so.
fn impatient() -> Settings {
    let mut settings = settings();
    settings.serve.limits.header_timeout = Duration::from_secs(1);
    settings.serve.limits.body_timeout = Duration::from_secs(1);
    settings.serve.limits.idle_timeout = Duration::from_secs(1);
    settings
}

/// Waits for the end of a process and gives its exit code; none if it has to be killed.
fn exit_code(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("a child to kill");
    child.wait().expect("a child");
    None
}

/// One connection, at the level of bytes.
struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What a read came to.
enum Came {
    Bytes,
    Nothing,
    End,
}

/// One answer, as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Wire {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends what the other side takes; it may have closed already.
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Reads what comes within a time.
    fn read(&mut self, patience: Duration) -> Came {
        self.stream.set_read_timeout(Some(patience)).expect("a read timeout");
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Came::End,
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                Came::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Came::Nothing,
            // Closed while something of ours was unread.
            Err(_) => Came::End,
        }
    }

    /// The next answer; none if the connection ends first.
    fn reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.whole_reply() {
                return Some(reply);
            }
            match self.read(PATIENCE) {
                Came::Bytes => {}
                Came::End => return None,
                Came::Nothing => panic!("neither an answer nor an end after {PATIENCE:?}"),
            }
        }
    }

    /// Takes an answer from what was read, if it is all there.
    fn whole_reply(&mut self) -> Option<Reply> {
        let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().expect("a length"));
        if self.unread.len() < end + length {
            return None;
        }
        let body = String::from_utf8_lossy(&self.unread[end..end + length]).into_owned();
        self.unread.drain(..end + length);
        let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
        Some(Reply { status, head, body })
    }

    /// All that comes until the connection ends; an error, with what came, if it does not end.
    fn rest(&mut self, patience: Duration) -> Result<String, String> {
        let ended = loop {
            match self.read(patience) {
                Came::Bytes => {}
                Came::End => break true,
                Came::Nothing => break false,
            }
        };
        let said = String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned();
        if ended { Ok(said) } else { Err(said) }
    }
}

// Ambiguous messages.

/// A head that lacks its framing and its end.
const HEAD: &str = "POST /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Type: application/json\r\n";
/// The body of a chunked message.
const CHUNKS: &str = "<hex>\r\n<body>\r\n0\r\n\r\n";
/// The request that someone wants to get past a proxy: its answer would be seen.
const SECOND: &str = "<head>Content-Length: <len>\r\nConnection: close\r\n\r\n<body>";
/// A clear message with a length.
const WITH_LENGTH: &str = "<head>Content-Length: <len>\r\n\r\n<body>";
/// A clear message in chunks, with a trailer.
const IN_CHUNKS: &str = "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nX-Sum: 1\r\n\r\n";

/// Messages that two readers could cut at two places, or that no reader should take.
#[rustfmt::skip]
const AMBIGUOUS: &[(&str, &str)] = &[
    // Two lengths.
    ("a length, then chunked", "<head>Content-Length: <len>\r\nTransfer-Encoding: chunked\r\n\r\n<chunks>"),
    ("chunked, then a length", "<head>Transfer-Encoding: chunked\r\nContent-Length: <len>\r\n\r\n<chunks>"),
    ("a length that ends behind the last chunk", "<head>Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked, then no length", "<head>Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n<chunks>"),
    ("the same length twice", "<head>Content-Length: <len>\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("two lengths, the first is nothing", "<head>Content-Length: 0\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("two lengths, the second is nothing", "<head>Content-Length: <len>\r\nContent-Length: 0\r\n\r\n<body>"),
    ("the same length in a list", "<head>Content-Length: <len>, <len>\r\n\r\n<body>"),
    ("two lengths in a list", "<head>Content-Length: 0, <len>\r\n\r\n<body>"),
    ("a length and a chunked that no reader should see", "<head>Content-Length: <len>\r\nTransfer-Encoding: xchunked\r\n\r\n<body>"),

    // A length that is no number.
    ("a length with a plus", "<head>Content-Length: +<len>\r\n\r\n<body>"),
    ("a length with a minus", "<head>Content-Length: -<len>\r\n\r\n<body>"),
    ("minus nothing", "<head>Content-Length: -0\r\n\r\n<body>"),
    ("two numbers in a length", "<head>Content-Length: 0 <len>\r\n\r\n<body>"),
    ("a length in hexadecimal", "<head>Content-Length: 0x<hex>\r\n\r\n<body>"),
    ("a length in hexadecimal digits", "<head>Content-Length: a<len>\r\n\r\n<body>"),
    ("a length with a unit", "<head>Content-Length: <len>b\r\n\r\n<body>"),
    ("a length with a fraction", "<head>Content-Length: <len>.0\r\n\r\n<body>"),
    ("a length with an exponent", "<head>Content-Length: 1e2\r\n\r\n<body>"),
    ("a length with a parameter", "<head>Content-Length: <len>;q=1\r\n\r\n<body>"),
    ("a length in quotes", "<head>Content-Length: \"<len>\"\r\n\r\n<body>"),
    ("a length with an underscore", "<head>Content-Length: 1_0\r\n\r\n<body>"),
    ("a length with a comma behind it", "<head>Content-Length: <len>,\r\n\r\n<body>"),
    ("a length in other digits", "<head>Content-Length: \u{663}\r\n\r\n<body>"),
    ("an empty length", "<head>Content-Length:\r\n\r\n<body>"),
    ("a blank length", "<head>Content-Length: \t \r\n\r\n<body>"),
    ("a length that is 0 in 64 bits", "<head>Content-Length: 18446744073709551616\r\n\r\n<body>"),
    ("the longest length", "<head>Content-Length: 18446744073709551615\r\n\r\n<body>"),
    ("a length of many digits", "<head>Content-Length: 99999999999999999999999999\r\n\r\n<body>"),
    ("a length behind a vertical tab", "<head>Content-Length:\x0b<len>\r\n\r\n<body>"),
    ("a length behind a form feed", "<head>Content-Length:\x0c<len>\r\n\r\n<body>"),
    ("a length before a vertical tab", "<head>Content-Length: <len>\x0b\r\n\r\n<body>"),
    ("a length and a NUL", "<head>Content-Length: <len>\0\r\n\r\n<body>"),

    // Names of headers.
    ("a space before the colon of a length", "<head>Content-Length : <len>\r\n\r\n<body>"),
    ("a tab before the colon of a length", "<head>Content-Length\t: <len>\r\n\r\n<body>"),
    ("a space before the colon of an encoding", "<head>Transfer-Encoding : chunked\r\n\r\n<chunks>"),
    ("a tab before the colon of an encoding", "<head>Transfer-Encoding\t: chunked\r\n\r\n<chunks>"),
    ("a vertical tab before a colon", "<head>Transfer-Encoding\x0b: chunked\r\n\r\n<chunks>"),
    ("a space in a name", "<head>Content Length: 0\r\n\r\n<body>"),
    ("a NUL in a name", "<head>Content-\0Length: <len>\r\n\r\n<body>"),
    ("a NUL before a colon", "<head>Transfer-Encoding\0: chunked\r\n\r\n<chunks>"),
    ("a NUL in a value", "<head>X-Note: a\0b\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("a name without a colon", "<head>Content-Length\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("words without a colon", "<head>nothing to see\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("a header without a name", "<head>: chunked\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("a colon alone", "<head>:\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("a space before the first header", "POST /access/v1/evaluation HTTP/1.1\r\n Content-Length: 0\r\nHost: <host>\r\n\r\n<body>"),

    // Folded lines.
    ("a folded length", "<head>Content-Length:\r\n <len>\r\n\r\n<body>"),
    ("a length in the fold of another header", "<head>X-Note: a\r\n Content-Length: <len>\r\n\r\n<body>"),
    ("an encoding in the fold of another header", "<head>X-Note: a\r\n\tTransfer-Encoding: chunked\r\n\r\n<chunks>"),
    ("a folded encoding", "<head>Transfer-Encoding:\r\n chunked\r\n\r\n<chunks>"),
    ("a fold of nothing", "<head>Transfer-Encoding: chunked\r\n \r\n\r\n<chunks>"),

    // Codings.
    ("identity", "<head>Transfer-Encoding: identity\r\n\r\n<chunks>"),
    ("identity and a length", "<head>Transfer-Encoding: identity\r\nContent-Length: <len>\r\n\r\n<body>"),
    ("gzip", "<head>Transfer-Encoding: gzip\r\n\r\n<chunks>"),
    ("gzip, then chunked", "<head>Transfer-Encoding: gzip, chunked\r\n\r\n<chunks>"),
    ("chunked, then gzip", "<head>Transfer-Encoding: chunked, gzip\r\n\r\n<chunks>"),
    ("chunked, then identity", "<head>Transfer-Encoding: chunked, identity\r\n\r\n<chunks>"),
    ("chunked twice in a list", "<head>Transfer-Encoding: chunked, chunked\r\n\r\n<chunks>"),
    ("chunked twice", "<head>Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n<chunks>"),
    ("chunked, and identity in another header", "<head>Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n<chunks>"),
    ("identity, and chunked in another header", "<head>Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n<chunks>"),
    ("a coding that ends in chunked", "<head>Transfer-Encoding: xchunked\r\n\r\n<chunks>"),
    ("a coding that begins with chunked", "<head>Transfer-Encoding: chunkedx\r\n\r\n<chunks>"),
    ("two words, the last is chunked", "<head>Transfer-Encoding: x chunked\r\n\r\n<chunks>"),
    ("chunked in quotes", "<head>Transfer-Encoding: \"chunked\"\r\n\r\n<chunks>"),
    ("chunked with a parameter", "<head>Transfer-Encoding: chunked;q=1\r\n\r\n<chunks>"),
    ("chunked and a comma", "<head>Transfer-Encoding: chunked,\r\n\r\n<chunks>"),
    ("a comma and chunked", "<head>Transfer-Encoding: ,chunked\r\n\r\n<chunks>"),
    ("a tab in chunked", "<head>Transfer-Encoding: chun\tked\r\n\r\n<chunks>"),
    ("chunked, a tab, and more", "<head>Transfer-Encoding: chunked\tx\r\n\r\n<chunks>"),
    ("chunked behind a vertical tab", "<head>Transfer-Encoding: \x0bchunked\r\n\r\n<chunks>"),
    ("chunked before a vertical tab", "<head>Transfer-Encoding: chunked\x0b\r\n\r\n<chunks>"),
    ("chunked before a form feed", "<head>Transfer-Encoding: chunked\x0c\r\n\r\n<chunks>"),
    ("chunked and a NUL", "<head>Transfer-Encoding: chunked\0\r\n\r\n<chunks>"),
    ("no coding", "<head>Transfer-Encoding:\r\n\r\n<chunks>"),
    ("a coding that nobody knows", "<head>Transfer-Encoding: cow\r\n\r\n<chunks>"),

    // Chunks.
    ("an extension", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>;a=b\r\n<body>\r\n0\r\n\r\n"),
    ("an empty extension", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>;\r\n<body>\r\n0\r\n\r\n"),
    ("an extension in quotes with a line in it", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>;a=\"\r\n<body>\r\n0\r\n\r\n"),
    ("an extension with a line feed in it", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>;a\n<body>\r\n0\r\n\r\n"),
    ("an extension of the last chunk", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0;a=b\r\n\r\n"),
    ("a space behind a size", "<head>Transfer-Encoding: chunked\r\n\r\n<hex> \r\n<body>\r\n0\r\n\r\n"),
    ("a tab behind a size", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\t\r\n<body>\r\n0\r\n\r\n"),
    ("a space before a size", "<head>Transfer-Encoding: chunked\r\n\r\n <hex>\r\n<body>\r\n0\r\n\r\n"),
    ("a size with 0x", "<head>Transfer-Encoding: chunked\r\n\r\n0x<hex>\r\n<body>\r\n0\r\n\r\n"),
    ("a size with a plus", "<head>Transfer-Encoding: chunked\r\n\r\n+<hex>\r\n<body>\r\n0\r\n\r\n"),
    ("a size with a minus", "<head>Transfer-Encoding: chunked\r\n\r\n-<hex>\r\n<body>\r\n0\r\n\r\n"),
    ("a size with another letter", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>g\r\n<body>\r\n0\r\n\r\n"),
    ("a size with an underscore", "<head>Transfer-Encoding: chunked\r\n\r\n0_<hex>\r\n<body>\r\n0\r\n\r\n"),
    ("an empty size", "<head>Transfer-Encoding: chunked\r\n\r\n\r\n<body>\r\n0\r\n\r\n"),
    ("a size that is 0 in 64 bits", "<head>Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n<body>\r\n0\r\n\r\n"),
    ("a size that is right in 64 bits", "<head>Transfer-Encoding: chunked\r\n\r\n100000000000000<hex>\r\n<body>\r\n0\r\n\r\n"),
    ("the largest size", "<head>Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n<body>\r\n0\r\n\r\n"),
    ("a size of many digits", "<head>Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n<body>\r\n0\r\n\r\n"),
    ("a NUL in a size", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\0\r\n<body>\r\n0\r\n\r\n"),
    ("no line end behind a chunk", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>0\r\n\r\n"),
    ("two bytes for the line end behind a chunk", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>xx0\r\n\r\n"),
    ("two line ends behind a chunk", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n\r\n0\r\n\r\n"),
    ("a chunk that is longer than its size", "<head>Transfer-Encoding: chunked\r\n\r\n1\r\n<body>\r\n0\r\n\r\n"),
    ("a last chunk of minus nothing", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n-0\r\n\r\n"),
    ("a last chunk and a space", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0 \r\n\r\n"),
    ("a folded trailer", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n"),
    ("a trailer without a colon", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nX-Sum\r\n\r\n"),
    ("a NUL in a trailer", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nX-Sum: \0\r\n\r\n"),

    // Request lines, and versions without chunks.
    ("two spaces before the target", "POST  /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("two spaces behind the target", "POST /access/v1/evaluation  HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("a space behind the version", "POST /access/v1/evaluation HTTP/1.1 \r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("a space before the method", " POST /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("tabs in the request line", "POST\t/access/v1/evaluation\tHTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("a space in the target", "POST /access/v1/evaluation x HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("a NUL in the target", "POST /access/v1/\0evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("no target", "POST HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("no method", "/access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("a method that is no token", "PO(ST /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\n\r\n"),
    ("HTTP/0.9", "GET /healthz\r\n"),
    ("HTTP/0.9 with an empty line", "GET /healthz\r\n\r\n"),
    ("HTTP/1.2", "GET /healthz HTTP/1.2\r\nHost: <host>\r\n\r\n"),
    ("HTTP/2.0", "GET /healthz HTTP/2.0\r\nHost: <host>\r\n\r\n"),
    ("a version in lower case", "GET /healthz http/1.1\r\nHost: <host>\r\n\r\n"),
    ("a version with a zero before it", "GET /healthz HTTP/01.1\r\nHost: <host>\r\n\r\n"),
    ("no version behind its name", "GET /healthz HTTP/\r\nHost: <host>\r\n\r\n"),
    ("HTTP/1.0 in chunks", "POST /access/v1/evaluation HTTP/1.0\r\nHost: <host>\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n<chunks>"),
    ("HTTP/1.0 in chunks with a length", "POST /access/v1/evaluation HTTP/1.0\r\nHost: <host>\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("the preface of HTTP/2 behind a line end", "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

/// What a line end is not.
const LINE_ENDS: &[(&str, &str)] = &[
    ("a line feed alone", "\n"),
    ("a carriage return alone", "\r"),
    ("the two the wrong way round", "\n\r"),
    ("two carriage returns", "\r\r\n"),
];

/// Fills in a message. A body is a question that is allowed.
fn message(template: &str, host: &str) -> String {
    let fill = |template: &str, second: &str| {
        let body = asked();
        let bytes: String = body.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
        template
            .replace("<head>", HEAD)
            .replace("<chunks>", CHUNKS)
            .replace("<host>", host)
            .replace("<len>", &body.len().to_string())
            .replace("<len+6>", &(body.len() + 6).to_string())
            .replace("<hex>", &format!("{:x}", body.len()))
            .replace("<HEX>", &format!("{:X}", body.len()))
            .replace("<byte by byte>", &bytes)
            .replace("<body>", &body)
            .replace("<second len>", &second.len().to_string())
            .replace("<second hex>", &format!("{:x}", second.len()))
            .replace("<second>", second)
    };
    fill(template, &fill(SECOND, ""))
}

/// The corpus, with a bad line end at every place where a clear message has a good one.
fn ambiguous() -> Vec<(String, String)> {
    let mut cases: Vec<(String, String)> =
        AMBIGUOUS.iter().map(|(why, first)| ((*why).to_owned(), (*first).to_owned())).collect();
    for (kind, clear) in [("with a length", WITH_LENGTH), ("in chunks", IN_CHUNKS)] {
        let clear = clear.replace("<head>", HEAD);
        for (line, (at, good)) in clear.match_indices("\r\n").enumerate() {
            for (why, bad) in LINE_ENDS {
                let why = format!("{why} behind line {} of a message {kind}", line + 1);
                let first = format!("{}{bad}{}", &clear[..at], &clear[at + good.len()..]);
                cases.push((why, first));
            }
        }
    }
    cases
}

/// How a message is sent.
#[derive(Clone, Copy)]
enum Delivery {
    /// At once.
    Whole,
    /// A line at a time, each in a packet of its own.
    ByLines,
}

/// Sends a message with another one behind it, and says whether there was an answer to the first one. It is an error
/// if the first is not refused, or if anything is said to the second.
fn smuggle(address: SocketAddr, first: &str, delivery: Delivery) -> Result<bool, String> {
    let host = address.to_string();
    let both = message(first, &host) + &message(SECOND, &host);
    let mut wire = Wire::connect(address);
    match delivery {
        Delivery::Whole => wire.send(&both),
        Delivery::ByLines => {
            for line in both.split_inclusive('\n') {
                wire.send(line);
                // The pace of the attack: what comes in one packet may be read as one.
                thread::sleep(Duration::from_millis(3));
            }
        }
    }
    let said = wire
        .rest(Duration::from_secs(8))
        .map_err(|said| format!("the connection stays open, having said {said:?}"))?;
    let answers = said.matches("HTTP/1.").count();
    let refused = answers == 0 || said.starts_with("HTTP/1.1 4");
    if answers > 1 || !refused || said.contains("decision") {
        return Err(format!("said {said:?}"));
    }
    Ok(answers == 1)
}

/// Sends the whole corpus and says how many of how many were answered.
fn smuggle_all(address: SocketAddr, delivery: Delivery) -> (usize, usize) {
    let cases = ambiguous();
    let mut answered = 0;
    let mut wrong = Vec::new();
    for some in cases.chunks(32) {
        thread::scope(|scope| {
            let sent: Vec<_> = some
                .iter()
                .map(|(why, first)| (why, scope.spawn(move || smuggle(address, first, delivery))))
                .collect();
            for (why, sent) in sent {
                match sent.join().expect("a thread") {
                    Ok(true) => answered += 1,
                    Ok(false) => {}
                    Err(what) => wrong.push(format!("{why}: {what}")),
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    (answered, cases.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_smuggled_behind_an_ambiguous_message() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve_with(root.path(), &impatient()).await;
    let (answered, all) = smuggle_all(sidecar.address, Delivery::Whole);
    assert!(all >= 150, "{all} messages");
    // The preface of HTTP/2 is met with silence; hardly anything else is.
    assert!(answered + 5 >= all, "{answered} of {all} were told why");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguity_is_refused_in_time_when_it_comes_a_line_at_a_time() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve_with(root.path(), &impatient()).await;
    smuggle_all(sidecar.address, Delivery::ByLines);
}

/// Clear messages whose body is another request, and the one status that they get.
#[rustfmt::skip]
const WITHIN: &[(&str, &str, u16)] = &[
    ("a question that is no JSON", "<head>Content-Length: <second len>\r\n\r\n<second>", 400),
    ("a method in lower case", "post /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("another method", "PUT /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("a method that is overridden", "<head>X-HTTP-Method-Override: GET\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("a GET with a length", "GET /healthz HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 200),
    ("a GET in chunks", "GET /healthz HTTP/1.1\r\nHost: <host>\r\nTransfer-Encoding: chunked\r\n\r\n<second hex>\r\n<second>\r\n0\r\n\r\n", 200),
    ("HEAD", "HEAD /healthz HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("OPTIONS of everything", "OPTIONS * HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("CONNECT", "CONNECT <host> HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 405),
    ("an upgrade", "GET /healthz HTTP/1.1\r\nHost: <host>\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: <second len>\r\n\r\n<second>", 200),
    ("nothing that is there", "POST /admin HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 404),
    ("no Host", "POST /access/v1/evaluation HTTP/1.1\r\nContent-Length: <second len>\r\n\r\n<second>", 400),
    ("two Hosts", "<head>Host: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 400),
    ("another Host", "POST /access/v1/evaluation HTTP/1.1\r\nHost: example.com\r\nContent-Length: <second len>\r\n\r\n<second>", 421),
    ("an absolute target with another name", "POST http://example.com/access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Length: <second len>\r\n\r\n<second>", 421),
    ("an absolute target, and another Host", "POST http://<host>/access/v1/evaluation HTTP/1.1\r\nHost: example.com\r\nContent-Length: <second len>\r\n\r\n<second>", 421),
    ("a browser", "<head>Origin: http://example.com\r\nContent-Length: <second len>\r\n\r\n<second>", 403),
    ("no JSON", "POST /access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Type: text/plain\r\nContent-Length: <second len>\r\n\r\n<second>", 400),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_never_read_as_a_request() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve_with(root.path(), &impatient()).await;
    let host = sidecar.address.to_string();
    thread::scope(|scope| {
        for (why, template, status) in WITHIN {
            let host = &host;
            let address = sidecar.address;
            scope.spawn(move || {
                let mut wire = Wire::connect(address);
                wire.send(message(template, host));
                let said = wire.rest(PATIENCE).unwrap_or_else(|said| panic!("{why}: stays open: {said:?}"));
                assert_eq!(said.matches("HTTP/1.").count(), 1, "{why}: {said:?}");
                assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{why}: {said:?}");
                assert!(!said.contains("decision"), "{why}: {said:?}");
            });
        }
    });
}

/// Clear messages, and how many answers they get.
#[rustfmt::skip]
const CLEAR: &[(&str, &str, usize)] = &[
    ("three with lengths", "<head>Content-Length: <len>\r\n\r\n<body><head>Content-Length: <len>\r\n\r\n<body><head>Content-Length: <len>\r\n\r\n<body>", 3),
    ("a length, then chunks, then a length", "<head>Content-Length: <len>\r\n\r\n<body><head>Transfer-Encoding: chunked\r\n\r\n<chunks><head>Content-Length: <len>\r\n\r\n<body>", 3),
    ("two in chunks", "<head>Transfer-Encoding: chunked\r\n\r\n<chunks><head>Transfer-Encoding: chunked\r\n\r\n<chunks>", 2),
    ("a chunk for every byte", "<head>Transfer-Encoding: chunked\r\n\r\n<byte by byte>0\r\n\r\n<head>Content-Length: <len>\r\n\r\n<body>", 2),
    ("trailers", "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n<head>Content-Length: <len>\r\n\r\n<body>", 2),
    ("zeros before a size", "<head>Transfer-Encoding: chunked\r\n\r\n000<hex>\r\n<body>\r\n0000\r\n\r\n", 1),
    ("a size in capitals", "<head>Transfer-Encoding: chunked\r\n\r\n<HEX>\r\n<body>\r\n0\r\n\r\n", 1),
    ("an empty line before a request", "\r\n<head>Content-Length: <len>\r\n\r\n<body>", 1),
    ("empty lines between requests", "<head>Content-Length: <len>\r\n\r\n<body>\r\n\r\n<head>Content-Length: <len>\r\n\r\n<body>", 2),
    ("line ends of all kinds in a body", "<head>Content-Length: <len+6>\r\n\r\n\r\n\n<body>\r\n\r<head>Content-Length: <len>\r\n\r\n<body>", 2),
    ("blanks around a length", "<head>Content-Length: \t<len>\r\n\r\n<body>", 1),
    ("blanks around a coding", "<head>Transfer-Encoding:\tchunked \r\n\r\n<chunks>", 1),
    ("no blanks", "<head>Content-Length:<len>\r\n\r\n<body>", 1),
    ("names and codings in any case", "<head>cOnTeNt-LeNgTh: <len>\r\n\r\n<body><head>TRANSFER-ENCODING: Chunked\r\n\r\n<chunks>", 2),
    ("an absolute target", "POST http://<host>/access/v1/evaluation HTTP/1.1\r\nHost: <host>\r\nContent-Type: application/json\r\nContent-Length: <len>\r\n\r\n<body>", 1),
    ("HTTP/1.0", "POST /access/v1/evaluation HTTP/1.0\r\nHost: <host>\r\nContent-Type: application/json\r\nContent-Length: <len>\r\n\r\n<body>", 1),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_messages_are_all_answered_however_they_are_cut() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve(root.path()).await;
    let host = sidecar.address.to_string();
    for (why, template, answers) in CLEAR {
        let bytes = message(template, &host).into_bytes();
        for piece in [1, 2, 7, 61, bytes.len()] {
            let mut wire = Wire::connect(sidecar.address);
            for part in bytes.chunks(piece) {
                wire.send(part);
            }
            for number in 1..=*answers {
                let reply = wire.reply().unwrap_or_else(|| panic!("{why}, by {piece}: no answer {number}"));
                assert_eq!(
                    (reply.status, &*reply.body),
                    (200, ALLOWED),
                    "{why}, by {piece}: {}",
                    reply.head
                );
            }
            assert!(wire.unread.is_empty(), "{why}, by {piece}: more than {answers} answers");
        }
    }
}

// Callers that stall.

/// Sends a beginning at once, then the same piece every tenth of a second until the other side closes. Gives what that
/// said, and how long it took.
async fn drip(address: SocketAddr, beginning: String, piece: &'static str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    stream.write_all(beginning.as_bytes()).await.expect("a beginning");
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    while begun.elapsed() < PATIENCE {
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => said.extend_from_slice(&buffer[..count]),
            },
            // Where that fails, the next read says why.
            _ = pace.tick() => drop(stream.write_all(piece.as_bytes()).await),
        }
    }
    (String::from_utf8_lossy(&said).into_owned(), begun.elapsed())
}

/// Whether a caller was cut neither early nor late, where a second was allowed.
fn in_time(took: Duration) -> bool {
    (900..10_000).contains(&took.as_millis())
}

#[tokio::test]
async fn hundreds_of_slow_heads_are_closed_in_time_and_others_are_served() {
    let _crowd = CROWD.lock().await;
    let root = Root::tiny(PERMIT);
    let process = Process::serve(root.path(), &["--set", "limits.header_timeout_ms=1000"]);
    let address = process.address;
    let mut client = Client::connect(address).await;
    let mut slow = JoinSet::new();
    for _ in 0..rounds(300).min(2_000) {
        let beginning = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nX-Slow: ");
        slow.spawn(drip(address, beginning, "a"));
    }
    let mut answered = 0;
    while !slow.is_empty() {
        assert!(is_allowed(&mut client).await);
        answered += 1;
        while let Some(ended) = slow.try_join_next() {
            let (said, took) = ended.expect("a caller");
            assert!(in_time(took), "after {took:?}: {said:?}");
            assert_eq!(said, "", "a head that never ended was answered");
        }
    }
    assert!(answered > 10, "{answered} answers beside them");
}

#[tokio::test]
async fn a_caller_that_stalls_is_cut_wherever_it_does() {
    let root = Root::tiny(PERMIT);
    let mut settings = settings();
    // Bodies have less time than heads, so that it shows which of the two it was.
    settings.serve.limits.header_timeout = Duration::from_secs(2);
    settings.serve.limits.body_timeout = Duration::from_secs(1);
    settings.serve.limits.idle_timeout = Duration::from_secs(1);
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let host = sidecar.address.to_string();
    // What comes first, what comes again and again, and the one status that there is.
    let cases = [
        ("nothing at all", "", "", None),
        ("a method", "", "A", None),
        ("a target", "GET /", "a", None),
        ("headers", "GET /healthz HTTP/1.1\r\nHost: <host>\r\n", "A: b\r\n", None),
        ("empty lines before a request", "", "\r\n", None),
        (
            "nothing behind an answer",
            "GET /healthz HTTP/1.1\r\nHost: <host>\r\n\r\n",
            "",
            Some(200),
        ),
        (
            "a head behind an answer",
            "GET /healthz HTTP/1.1\r\nHost: <host>\r\n\r\n",
            "A",
            Some(200),
        ),
        (
            "empty lines behind an answer",
            "GET /healthz HTTP/1.1\r\nHost: <host>\r\n\r\n",
            "\r\n",
            Some(200),
        ),
        ("a body", "<head>Content-Length: 1000\r\n\r\n", " ", Some(408)),
        ("a body that never begins", "<head>Content-Length: 1000\r\n\r\n", "", Some(408)),
        ("chunks", "<head>Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", Some(408)),
        ("a chunk", "<head>Transfer-Encoding: chunked\r\n\r\n1000\r\n", " ", Some(408)),
        (
            "the size of a chunk",
            "<head>Transfer-Encoding: chunked\r\n\r\n",
            "0",
            Some(408),
        ),
        (
            "trailers",
            "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\n",
            "A: b\r\n",
            Some(408),
        ),
        (
            "a trailer",
            "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<body>\r\n0\r\nA: ",
            "b",
            Some(408),
        ),
    ];
    let mut stalling = JoinSet::new();
    for (why, beginning, piece, status) in cases {
        let dripping = drip(sidecar.address, message(beginning, &host), piece);
        stalling.spawn(async move { (why, status, dripping.await) });
    }
    let mut wrong = Vec::new();
    while let Some(ended) = stalling.join_next().await {
        let (why, status, (said, took)) = ended.expect("a caller");
        let as_expected = match status {
            None => said.is_empty(),
            Some(status) => said.starts_with(&format!("HTTP/1.1 {status} ")) && said.matches("HTTP/1.").count() == 1,
        };
        if !as_expected || !in_time(took) || said.contains("decision") {
            wrong.push(format!("{why}: after {took:?} {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(is_allowed(&mut sidecar.client().await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_chunks_it_is_the_time_for_bodies_that_counts() {
    let root = Root::tiny(PERMIT);
    let mut settings = settings();
    settings.serve.limits.header_timeout = Duration::from_secs(1);
    settings.serve.limits.body_timeout = PATIENCE;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let host = sidecar.address.to_string();
    let mut wire = Wire::connect(sidecar.address);
    wire.send(message(
        "<head>Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        &host,
    ));
    assert_eq!(wire.reply().map(|reply| reply.status), Some(100), "the body is waited for");
    wire.send("1\r\n \r\n");
    // Well above the time for a head, and its half second of grace.
    assert_eq!(
        wire.rest(Duration::from_millis(2_500)),
        Err(String::new()),
        "cut between two chunks"
    );
    wire.send(message(CHUNKS, &host));
    let reply = wire.reply().expect("an answer");
    assert_eq!((reply.status, &*reply.body), (200, ALLOWED));
}

#[tokio::test]
async fn a_caller_that_does_not_read_its_answer_is_cut_and_others_are_served() {
    const ITEMS: usize = 100_000;
    let root = Root::tiny(PERMIT);
    let process = Process::serve(
        root.path(),
        &[
            "--set",
            "limits.write_timeout_ms=1000",
            "--set",
            "limits.batch_items_max=100000",
        ],
    );
    let mut client = Client::connect(process.address).await;

    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    let mut greedy = socket.connect(process.address).await.expect("a connection");
    // Each item is wrong, and its answer says so in some eighty bytes: more than all buffers on the way hold.
    let body = format!("{{\"evaluations\":[{}]}}", vec!["{}"; ITEMS].join(","));
    let head = format!(
        "POST {EVALUATIONS} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        process.address,
        body.len()
    );
    greedy.write_all(head.as_bytes()).await.expect("a head");
    greedy.write_all(body.as_bytes()).await.expect("a body");

    until_status(&mut client, "the batch", |status| status["requests"]["problems"] == ITEMS).await;
    assert!(is_allowed(&mut client).await, "while somebody does not read");
    until_status(&mut client, "the cut", |status| status["connections"]["open"] == 1).await;

    let mut said = Vec::new();
    // However it ends.
    let _ = tokio::time::timeout(PATIENCE, greedy.read_to_end(&mut said)).await.expect("an end");
    assert!(said.len() < ITEMS * 80, "all of it was sent: {} bytes", said.len());
    assert!(is_allowed(&mut client).await);
}

// More callers than there is room for.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_cap_the_connection_that_idled_longest_makes_room() {
    let root = Root::tiny(PERMIT);
    let mut settings = settings();
    settings.serve.limits.connections_max = 8;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", sidecar.address);
    let served = |wire: &mut Wire| {
        wire.send(&request);
        wire.reply().map(|reply| reply.status)
    };
    let mut idle: Vec<Wire> = (0..8).map(|_| Wire::connect(sidecar.address)).collect();
    for wire in &mut idle {
        assert_eq!(served(wire), Some(200));
    }

    let mut ninth = Wire::connect(sidecar.address);
    assert_eq!(served(&mut ninth), Some(200));
    assert_eq!(idle[0].rest(PATIENCE), Ok(String::new()), "the first has to go, without a word");
    for wire in &mut idle[1..] {
        assert_eq!(served(wire), Some(200), "the others stay");
    }
    assert_eq!(
        sidecar.running.server.service.tally.connections_refused.load(Ordering::Relaxed),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_cap_a_connection_is_refused_while_all_others_are_busy() {
    let root = Root::tiny(PERMIT);
    let mut settings = settings();
    settings.serve.limits.connections_max = 8;
    settings.serve.limits.body_timeout = PATIENCE;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let host = sidecar.address.to_string();
    let head = message("<head>Content-Length: <len>\r\nExpect: 100-continue\r\n\r\n", &host);
    let health = message("GET /healthz HTTP/1.1\r\nHost: <host>\r\n\r\n", &host);

    let mut busy: Vec<Wire> = (0..8).map(|_| Wire::connect(sidecar.address)).collect();
    for wire in &mut busy {
        wire.send(&head);
        // Only who waits for the body says so.
        assert_eq!(wire.reply().map(|reply| reply.status), Some(100));
    }
    let mut ninth = Wire::connect(sidecar.address);
    ninth.send(&health);
    assert_eq!(ninth.rest(PATIENCE), Ok(String::new()), "refused without a word");
    assert_eq!(
        sidecar.running.server.service.tally.connections_refused.load(Ordering::Relaxed),
        1
    );

    // One that has been answered makes room again, and the others are answered in the end.
    busy[0].send(asked());
    assert_eq!(busy[0].reply().map(|reply| reply.status), Some(200));
    let mut tenth = Wire::connect(sidecar.address);
    tenth.send(&health);
    assert_eq!(tenth.reply().map(|reply| reply.status), Some(200));
    for wire in &mut busy[1..] {
        wire.send(asked());
        let reply = wire.reply().expect("an answer");
        assert_eq!((reply.status, &*reply.body), (200, ALLOWED));
    }
}

#[tokio::test]
async fn with_hundreds_of_connections_for_128_files_it_is_healthy_decides_and_reloads() {
    let _crowd = CROWD.lock().await;
    let root = Root::tiny(PERMIT);
    let gatepost = gatepost();
    let mut command = Command::new("sh");
    for (name, value) in gatepost.get_envs() {
        if value.is_none() {
            command.env_remove(name);
        }
    }
    command
        .args(["-c", "ulimit -n 128; exec \"$0\" serve \"$1\" --listen 127.0.0.1:0"])
        .arg(gatepost.get_program())
        .arg(root.path());
    let process = Process::spawn(command);

    let mut held = Vec::new();
    for _ in 0..rounds(400).clamp(400, 2_000) {
        held.push(tokio::net::TcpStream::connect(process.address).await.expect("a connection"));
    }
    let mut client = Client::connect(process.address).await;
    assert_eq!(client.get("/healthz").await.status, 200);
    assert!(is_allowed(&mut client).await);
    let status = client.get("/status").await.json();
    assert_eq!(status["connections"]["max"], 128 - 64, "{status}");

    root.write("policies/tiny.cedar", FORBID);
    until_allowed_is(&mut client, false).await;
    drop(held);
}

// More bytes than there is room for.

/// The resident memory of a process, in kilobytes.
fn resident_kilobytes(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[test]
fn bodies_that_are_announced_too_long_are_refused_at_once_and_cost_no_memory() {
    let root = Root::tiny(PERMIT);
    let process = Process::serve(root.path(), &["--set", "limits.body_timeout_ms=60000"]);
    let host = process.address.to_string();
    let announced = message("<head>Content-Length: 104857600\r\n\r\n", &host) + &" ".repeat(4 << 10);
    let refused = |wire: &mut Wire| {
        let reply = wire.reply().expect("an answer");
        assert_eq!(reply.status, 413, "{}", reply.body);
        assert!(reply.body.contains("1048576 bytes"), "{}", reply.body);
    };
    // Everything that one of them needs is there before the first look.
    for _ in 0..3 {
        let mut wire = Wire::connect(process.address);
        wire.send(&announced);
        refused(&mut wire);
    }
    let before = resident_kilobytes(&process);

    let begun = Instant::now();
    let mut wires: Vec<Wire> = (0..rounds(50).min(500)).map(|_| Wire::connect(process.address)).collect();
    for wire in &mut wires {
        wire.send(&announced);
    }
    for wire in &mut wires {
        refused(wire);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
    let grown = resident_kilobytes(&process).saturating_sub(before);
    assert!(grown < 10 << 10, "{grown} kB more");
}

#[test]
fn a_body_that_grows_too_long_chunk_by_chunk_is_refused() {
    let root = Root::tiny(PERMIT);
    let process = Process::serve(root.path(), &["--set", "limits.body_timeout_ms=60000"]);
    let head = message("<head>Transfer-Encoding: chunked\r\n\r\n", &process.address.to_string());
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut wire = Wire::connect(process.address);
    wire.send(head);
    for _ in 0..17 {
        wire.send(&chunk);
    }
    let reply = wire.reply().expect("an answer");
    assert_eq!(reply.status, 413, "{}", reply.body);
    assert_eq!(wire.rest(PATIENCE), Ok(String::new()), "what follows is unknown");
}

#[test]
fn a_body_that_finds_no_room_beside_others_may_come_later() {
    let root = Root::tiny(PERMIT);
    let process = Process::serve(
        root.path(),
        &[
            "--set",
            "limits.bodies_bytes_max=2000",
            "--set",
            "limits.body_timeout_ms=60000",
        ],
    );
    let host = process.address.to_string();
    let begun = |head: &str| {
        let mut wire = Wire::connect(process.address);
        wire.send(message(head, &host));
        wire
    };
    let padded = |length: usize| message("<body>", &host) + &" ".repeat(length - asked().len());
    // One announces how much there will be, one does not.
    let mut announced = begun("<head>Content-Length: 1000\r\n\r\n ");
    let mut chunked = begun("<head>Transfer-Encoding: chunked\r\n\r\n1f4\r\n");
    chunked.send(" ".repeat(500) + "\r\n");
    assert_eq!(announced.rest(Duration::from_millis(500)), Err(String::new()));
    for head in [
        "<head>Content-Length: 501\r\n\r\n ",
        "<head>Content-Length: 100000\r\n\r\n ",
    ] {
        let mut late = begun(head);
        let reply = late.reply().expect("an answer");
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.head.to_lowercase().contains("\r\nretry-after: 1\r\n"), "{}", reply.head);
        assert_eq!(late.rest(PATIENCE), Ok(String::new()), "what follows is unknown");
    }
    // What comes whole needs no room.
    let reply = begun("<head>Content-Length: <len>\r\n\r\n<body>").reply().expect("an answer");
    assert_eq!((reply.status, &*reply.body), (200, ALLOWED));

    announced.send(padded(999));
    assert_eq!(announced.reply().map(|reply| reply.status), Some(200));
    chunked.send(message(CHUNKS, &host));
    assert_eq!(chunked.reply().map(|reply| reply.status), Some(200));
    let mut last = begun("<head>Content-Length: 2000\r\n\r\n ");
    assert_eq!(last.rest(Duration::from_millis(500)), Err(String::new()), "there is room again");
    last.send(padded(1999));
    assert_eq!(last.reply().map(|reply| reply.status), Some(200));
}

#[test]
fn a_long_batch_holds_nobody_up() {
    const ITEMS: usize = 100_000;
    let root = Root::tiny(PERMIT);
    let process = Process::serve(
        root.path(),
        &["--set", "worker_threads=1", "--set", "limits.batch_items_max=100000"],
    );
    let (address, host) = (process.address, process.address.to_string());
    let question = asked();
    let items = vec!["{}"; ITEMS].join(",");
    let body = format!(
        "{},\"evaluations\":[{items}]}}",
        question.trim_end_matches('}').to_owned() + "}"
    );
    let head = message("<head>", &host).replace(EVALUATION, EVALUATIONS);
    let batch = thread::spawn(move || {
        let mut wire = Wire::connect(address);
        wire.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        wire.reply()
    });
    let mut other = Wire::connect(process.address);
    let mut answered = 0;
    while !batch.is_finished() {
        other.send(message("GET /healthz HTTP/1.1\r\nHost: <host>\r\n\r\n", &host));
        assert_eq!(other.reply().map(|reply| reply.status), Some(200));
        answered += 1;
    }
    let reply = batch.join().expect("a thread").expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body.matches(ALLOWED).count(), ITEMS);
    // Hundreds; a dozen where nobody has a turn before the batch is done.
    assert!(answered > 50, "{answered} answers meanwhile");
}

#[tokio::test]
async fn json_that_nests_a_million_deep_is_refused_at_once_and_ends_nothing() {
    let root = Root::tiny(PERMIT);
    let process = Process::serve(root.path(), &[]);
    let mut client = Client::connect(process.address).await;
    let question = asked();
    let in_context = |deep: &str| format!("{},\"context\":{{\"deep\":{deep}}}}}", question.trim_end_matches('}'));
    assert!(question.ends_with("}}"), "{question}");
    for body in [
        "[".repeat(1_000_000),
        "{\"a\":".repeat(200_000),
        "[{\"a\":".repeat(140_000),
        format!("{}{}", "[".repeat(500_000), "]".repeat(500_000)),
        in_context(&"[".repeat(1_000_000)),
        in_context(&format!("{}{}", "[".repeat(33), "]".repeat(33))),
    ] {
        let begun = Instant::now();
        let answer = client.post(EVALUATION, &body).await;
        let took = begun.elapsed();
        let beginning = &body[..40];
        assert_eq!(answer.status, 400, "{beginning}: {}", answer.text());
        assert!(took < Duration::from_secs(1), "{beginning}: after {took:?}");
    }
    assert!(is_allowed(&mut client).await);
}

// Values that pretend.

/// A name as JSON, in one of its many spellings.
fn spelled(dice: &mut Dice, name: &str) -> String {
    let mut spelled = String::from("\"");
    for c in name.chars() {
        if dice.below(3) > 0 {
            spelled.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                spelled.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    spelled.push('"');
    spelled
}

/// A document, and the same with one member name twice, somewhere in it.
fn repeating(dice: &mut Dice) -> (String, String) {
    const VALUES: &[&str] = &[
        "1",
        "-2.5e3",
        "true",
        "null",
        "\"a\"",
        "[]",
        "{}",
        "[{\"a\":1},{\"a\":1}]",
    ];
    const NAMES: &[&str] = &["a", "id", "type", "", "na\u{ef}ve", "\u{1f600}", "__proto__", "a.b"];
    let mut members: Vec<(String, &str)> = (0..1 + dice.below(40))
        .map(|number| (format!("{}{number}", dice.pick(NAMES)), dice.pick(VALUES)))
        .collect();
    let mut texts = Vec::new();
    for twice in [false, true] {
        if twice {
            let again = members[dice.below(members.len())].0.clone();
            let at = dice.below(members.len() + 1);
            members.insert(at, (again, dice.pick(VALUES)));
        }
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{value}", spelled(dice, name))).collect();
        texts.push(format!("{{{}}}", members.join(",")));
    }
    for _ in 0..dice.below(20) {
        let (before, after) = match dice.below(4) {
            0 => ("[", "]"),
            1 => ("[1,{\"a\":2},", ",[]]"),
            2 => ("{\"a\":", "}"),
            _ => ("{\"a\":{},\"b\":", ",\"c\":null}"),
        };
        for text in &mut texts {
            *text = format!("{before}{text}{after}");
        }
    }
    let bad = texts.pop().expect("two texts");
    let good = texts.pop().expect("two texts");
    (good, bad)
}

#[test]
fn a_name_that_occurs_twice_is_found_in_every_document() {
    let mut dice = Dice(13);
    for _ in 0..rounds(10_000) {
        let (good, bad) = repeating(&mut dice);
        Json::read(good.as_bytes(), 32).unwrap_or_else(|error| panic!("{error}: {good}"));
        let error = Json::read(bad.as_bytes(), 32).expect_err(&bad);
        assert!(error.message.contains("occurs twice"), "{error}: {bad}");
    }
}

#[tokio::test]
async fn a_question_with_a_name_that_occurs_twice_is_refused() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let mut dice = Dice(14);
    let with = |document: &str| {
        format!(
            "{{\"subject\":{{\"type\":\"User\",\"id\":\"a\"}},\"action\":{{\"name\":\"view\"}},\
             \"resource\":{{\"type\":\"Doc\",\"id\":\"d\"}},\"context\":{{\"document\":{document}}}}}"
        )
    };
    for _ in 0..200 {
        let (good, bad) = repeating(&mut dice);
        let answer = client.post(EVALUATION, &with(&good)).await;
        assert_eq!(answer.text(), ALLOWED, "{good}");
        let answer = client.post(EVALUATION, &with(&bad)).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.message().contains("occurs twice"), "{}", answer.text());
    }
    // The members that matter most.
    for body in [
        r#"{"subject":{"type":"User","id":"b"},"subject":{"type":"User","id":"a"},"action":{"name":"view"},"resource":{"type":"Doc","id":"d"}}"#,
        r#"{"subject":{"type":"User","id":"b","id":"a"},"action":{"name":"view"},"resource":{"type":"Doc","id":"d"}}"#,
        r#"{"subject":{"type":"User","id":"b","\u0069d":"a"},"action":{"name":"view"},"resource":{"type":"Doc","id":"d"}}"#,
        r#"{"subject":{"type":"User","id":"a"},"action":{"name":"view"},"resource":{"type":"Doc","id":"d"},"context":{},"context":{}}"#,
    ] {
        assert_eq!(client.post(EVALUATION, body).await.status, 400, "{body}");
        assert_eq!(client.post(EVALUATIONS, body).await.status, 400, "{body}");
    }
}

/// A body of an evaluation with these members of its context.
fn with_context(user: &str, members: &str) -> String {
    format!(
        "{{\"subject\":{{\"type\":\"User\",\"id\":\"{user}\"}},\"action\":{{\"name\":\"view\"}},\
         \"resource\":{{\"type\":\"Doc\",\"id\":\"d\"}},\"context\":{{{members}}}}}"
    )
}

/// Asks, and gives the decision; none if the question is refused.
async fn decision(client: &mut Client, body: impl AsRef<[u8]>) -> Option<bool> {
    let answer = client
        .send("POST", EVALUATION, &[("content-type", "application/json")], body.as_ref())
        .await;
    match answer.status.as_u16() {
        200 => Some(answer.json()["decision"].as_bool().expect("a decision")),
        400 => {
            assert!(!answer.text().contains("decision"), "{}", answer.text());
            None
        }
        status => panic!("{status}: {}", answer.text()),
    }
}

#[tokio::test]
async fn numbers_are_exact_or_refused() {
    let root = Root::with(&[
        (
            "schema/numbers.cedarschema",
            "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc, context: { n: Long, d?: \
             decimal } };",
        ),
        (
            "policies/numbers.cedar",
            "permit (principal == User::\"wide\", action, resource) when { context.n == 9007199254740993 };\n\
             permit (principal == User::\"most\", action, resource) when { context.n == 9223372036854775807 };\n\
             permit (principal == User::\"least\", action, resource) when { context.n == -9223372036854775808 };\n\
             permit (principal == User::\"none\", action, resource) when { context.n == 0 };\n\
             permit (principal == User::\"tenth\", action, resource)\n\
             when { context has d && context.d == decimal(\"0.1\") };\n\
             permit (principal == User::\"any\", action, resource);",
        ),
        ("entities/none.json", "[]"),
    ]);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let mut wrong = Vec::new();
    for (user, members, expected) in [
        // Where a double has no place for the last digit.
        ("wide", "\"n\":9007199254740993", Some(true)),
        ("wide", "\"n\":9007199254740992", Some(false)),
        ("wide", "\"n\":9007199254740994", Some(false)),
        ("wide", "\"n\":9007199254740993.0", None),
        ("wide", "\"n\":9007199254740993e0", None),
        // The ends of 64 bits.
        ("most", "\"n\":9223372036854775807", Some(true)),
        ("most", "\"n\":9223372036854775806", Some(false)),
        ("most", "\"n\":9223372036854775808", None),
        ("most", "\"n\":18446744073709551615", None),
        ("most", "\"n\":18446744073709551616", None),
        ("least", "\"n\":-9223372036854775808", Some(true)),
        ("least", "\"n\":-9223372036854775807", Some(false)),
        ("least", "\"n\":-9223372036854775809", None),
        ("any", "\"n\":1e400", None),
        ("any", "\"n\":-1e400", None),
        ("any", "\"n\":1e308", None),
        ("any", "\"n\":99999999999999999999999999999999", None),
        // A double is no Long, whatever its value.
        ("none", "\"n\":0", Some(true)),
        ("none", "\"n\":0.0", None),
        ("none", "\"n\":0e0", None),
        ("none", "\"n\":-0.0", None),
        ("none", "\"n\":1e-400", None),
        ("any", "\"n\":1.0", None),
        ("any", "\"n\":1.5", None),
        ("any", "\"n\":1e2", None),
        // Other values are no number.
        ("any", "\"n\":\"1\"", None),
        ("any", "\"n\":true", None),
        ("any", "\"n\":[1]", None),
        ("any", "\"n\":{}", None),
        ("any", "\"n\":null", None),
        ("any", "", None),
        // Nor are other spellings.
        ("any", "\"n\":01", None),
        ("any", "\"n\":+1", None),
        ("any", "\"n\":.5", None),
        ("any", "\"n\":1.", None),
        ("any", "\"n\":0x10", None),
        ("any", "\"n\":1_000", None),
        ("any", "\"n\":-", None),
        ("any", "\"n\":NaN", None),
        ("any", "\"n\":Infinity", None),
        ("any", "\"n\":\u{663}", None),
        // Decimals have four digits behind the point.
        ("tenth", "\"n\":0,\"d\":\"0.1\"", Some(true)),
        ("tenth", "\"n\":0,\"d\":0.1", Some(true)),
        ("tenth", "\"n\":0,\"d\":0.10", Some(true)),
        ("tenth", "\"n\":0,\"d\":1e-1", Some(true)),
        ("tenth", "\"n\":0,\"d\":0.1001", Some(false)),
        ("tenth", "\"n\":0,\"d\":1", Some(false)),
        ("tenth", "\"n\":0,\"d\":0.1000000000000001", None),
        // A JSON number is the double that it names (RFC 7493, 2.2), and this one is a tenth.
        ("tenth", "\"n\":0,\"d\":0.10000000000000001", Some(true)),
        ("tenth", "\"n\":0,\"d\":\"0.10000\"", None),
        ("any", "\"n\":0,\"d\":0.00001", None),
        ("any", "\"n\":0,\"d\":1e300", None),
        ("any", "\"n\":0,\"d\":922337203685477.5807", None),
        ("any", "\"n\":0,\"d\":\"922337203685477.5807\"", Some(true)),
        ("any", "\"n\":0,\"d\":\"922337203685477.5808\"", None),
        ("any", "\"n\":0,\"d\":922337203685478", None),
        ("any", "\"n\":0,\"d\":\"0,1\"", None),
        // What nobody declared does no harm, but it has to be a number.
        ("any", "\"n\":0,\"other\":18446744073709551616", Some(true)),
        ("any", "\"n\":0,\"other\":1e400", None),
    ] {
        let decided = decision(&mut client, with_context(user, members)).await;
        if decided != expected {
            wrong.push(format!("{user} with {members}: {decided:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The integer, or refused; not another number.
    assert_ne!(decision(&mut client, with_context("none", "\"n\":-0")).await, Some(false));
}

#[tokio::test]
async fn ids_are_compared_byte_by_byte_and_are_unicode() {
    // In data, since policies may not name what a reviewer cannot tell apart.
    let root = Root::with(&[
        (
            "schema/ids.cedarschema",
            "entity Group; entity User in [Group]; entity Doc; action view appliesTo { principal: User, resource: Doc };",
        ),
        (
            "policies/ids.cedar",
            "permit (principal in Group::\"known\", action, resource);",
        ),
        (
            "entities/ids.json",
            r#"[
                { "uid": { "type": "Group", "id": "known" }, "attrs": {}, "parents": [] },
                { "uid": { "type": "User", "id": "caf\u00e9" }, "attrs": {}, "parents": [{ "type": "Group", "id": "known" }] },
                { "uid": { "type": "User", "id": "\ud83d\ude00" }, "attrs": {}, "parents": [{ "type": "Group", "id": "known" }] },
                { "uid": { "type": "User", "id": "a\u0000b" }, "attrs": {}, "parents": [{ "type": "Group", "id": "known" }] }
            ]"#,
        ),
    ]);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let body = |id: &[u8]| {
        let mut body = b"{\"subject\":{\"type\":\"User\",\"id\":".to_vec();
        body.extend_from_slice(id);
        body.extend_from_slice(b"},\"action\":{\"name\":\"view\"},\"resource\":{\"type\":\"Doc\",\"id\":\"d\"}}");
        body
    };
    let cases: &[(&str, &[u8], Option<bool>)] = &[
        ("composed", "\"caf\u{e9}\"".as_bytes(), Some(true)),
        ("composed, as an escape", br#""caf\u00e9""#, Some(true)),
        ("composed, as an escape in capitals", br#""caf\u00E9""#, Some(true)),
        ("all escapes", br#""\u0063\u0061\u0066\u00e9""#, Some(true)),
        ("decomposed", "\"cafe\u{301}\"".as_bytes(), Some(false)),
        ("decomposed, as an escape", br#""cafe\u0301""#, Some(false)),
        ("in capitals", "\"CAF\u{c9}\"".as_bytes(), Some(false)),
        ("without the accent", br#""cafe""#, Some(false)),
        ("a letter that looks the same", "\"c\u{430}f\u{e9}\"".as_bytes(), Some(false)),
        ("in full width", "\"\u{ff43}af\u{e9}\"".as_bytes(), Some(false)),
        ("a space behind", "\"caf\u{e9} \"".as_bytes(), Some(false)),
        ("a space before", "\" caf\u{e9}\"".as_bytes(), Some(false)),
        ("nothing visible in it", "\"caf\u{200b}\u{e9}\"".as_bytes(), Some(false)),
        ("a byte order mark in it", "\"\u{feff}caf\u{e9}\"".as_bytes(), Some(false)),
        ("a NUL behind", br#""caf\u00e9\u0000""#, Some(false)),
        ("in quotes of its own", br#""\"caf\u00e9\"""#, Some(false)),
        ("beyond the first plane", "\"\u{1f600}\"".as_bytes(), Some(true)),
        ("beyond the first plane, as two escapes", br#""\ud83d\ude00""#, Some(true)),
        ("with a NUL", br#""a\u0000b""#, Some(true)),
        ("up to a NUL", br#""a""#, Some(false)),
        ("empty", br#""""#, Some(false)),
        ("a NUL that is no escape", b"\"a\0b\"", None),
        ("a line feed that is no escape", b"\"a\nb\"", None),
        ("a high surrogate alone", br#""\ud83d""#, None),
        ("a low surrogate alone", br#""\ude00""#, None),
        ("two high surrogates", br#""\ud83d\ud83d""#, None),
        ("surrogates the wrong way round", br#""\ude00\ud83d""#, None),
        ("a high surrogate and a letter", br#""\ud83da""#, None),
        ("half an escape", br#""\u00e""#, None),
        ("an escape of another language", br#""caf\xe9""#, None),
        ("an overlong letter", b"\"c\xc1\xa1f\xc3\xa9\"", None),
        ("an overlong letter of three bytes", b"\"c\xe0\x81\xa1f\xc3\xa9\"", None),
        ("an overlong letter of four bytes", b"\"c\xf0\x80\x81\xa1f\xc3\xa9\"", None),
        ("an overlong NUL", b"\"a\xc0\x80b\"", None),
        ("an overlong quote", b"\"a\xc0\xa2\"", None),
        ("surrogates as bytes", b"\"\xed\xa0\xbd\xed\xb8\x80\"", None),
        ("beyond Unicode", b"\"\xf4\x90\x80\x80\"", None),
        ("no byte of UTF-8", b"\"caf\xff\"", None),
        ("Latin-1", b"\"caf\xe9\"", None),
        ("broken off", b"\"caf\xc3\"", None),
    ];
    for (why, id, expected) in cases {
        assert_eq!(decision(&mut client, body(id)).await, *expected, "{why}");
    }

    let question = String::from_utf8(body("\"caf\u{e9}\"".as_bytes())).expect("UTF-8");
    let wide: Vec<u16> = question.encode_utf16().collect();
    for (why, body) in [
        ("a byte order mark", format!("\u{feff}{question}").into_bytes()),
        ("UTF-16", wide.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        (
            "UTF-16, big end first",
            wide.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ),
        ("a NUL behind", format!("{question}\0").into_bytes()),
        ("two questions", question.repeat(2).into_bytes()),
        ("a comment", format!("{question}//").into_bytes()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(decision(&mut client, body).await, None, "{why}");
    }
}

#[tokio::test]
async fn a_value_is_taken_for_what_the_schema_declares_or_refused() {
    let root = Root::with(&[
        (
            "schema/kinds.cedarschema",
            "entity Team; entity User in [Team]; entity Doc; action view, other appliesTo { principal: User, resource: \
             Doc, context: { s: String, u?: User, d?: decimal, many?: Set<String>, inner?: { s: String } } };",
        ),
        (
            "policies/kinds.cedar",
            "permit (principal == User::\"x\", action == Action::\"view\", resource == Doc::\"d\");\n\
             permit (principal in Team::\"x\", action, resource);",
        ),
        (
            "entities/some.json",
            r#"[{"uid":{"type":"Team","id":"x"},"attrs":{},"parents":[]}]"#,
        ),
    ]);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let mut wrong = Vec::new();

    // Names: the entity is found by type and id, and by nothing that looks like them.
    let context = json!({ "s": "a" });
    let user = || json!({ "type": "User", "id": "x" });
    let view = || json!({ "name": "view" });
    let doc = || json!({ "type": "Doc", "id": "d" });
    let mut questions = vec![
        (user(), view(), doc(), Some(true)),
        (
            json!({ "type": "user", "id": "x" }),
            json!({ "name": "VIEW" }),
            json!({ "type": "DOC", "id": "d" }),
            Some(true),
        ),
        (user(), json!({ "name": "Action::\"view\"" }), doc(), Some(true)),
        (user(), json!({ "name": "other" }), doc(), Some(false)),
        // The two sides the wrong way round.
        (doc(), view(), user(), Some(false)),
        // Types and ids that are no strings.
        (json!({ "type": "User", "id": 1 }), view(), doc(), None),
        (json!({ "type": "User", "id": ["x"] }), view(), doc(), None),
        (json!({ "type": "User", "id": { "__entity": user() } }), view(), doc(), None),
        (json!({ "type": { "__entity": user() }, "id": "x" }), view(), doc(), None),
        (json!({ "__entity": user() }), view(), doc(), None),
        (json!("User::\"x\""), view(), doc(), None),
        (user(), json!("view"), doc(), None),
        (
            user(),
            json!({ "name": { "__entity": { "type": "Action", "id": "view" } } }),
            doc(),
            None,
        ),
        (user(), json!({ "type": "Action", "id": "view" }), doc(), None),
        (user(), view(), json!([doc()]), None),
    ];
    for entity_type in [
        "Team",
        "Doc",
        "Action",
        "action",
        "Nobody",
        "",
        " User",
        "User ",
        "User\0",
        "Us\u{200b}er",
        "\u{ff35}ser",
        "::User",
        "User::",
        "User::\"x\"",
        "App::User",
        "__cedar::User",
        "__cedar::String",
        "String",
        "Set<User>",
        "?principal",
    ] {
        questions.push((json!({ "type": entity_type, "id": "x" }), view(), doc(), Some(false)));
        questions.push((json!({ "type": entity_type, "id": "User::\"x\"" }), view(), doc(), Some(false)));
        if entity_type != "Doc" {
            questions.push((user(), view(), json!({ "type": entity_type, "id": "d" }), Some(false)));
        }
    }
    for name in [
        "",
        "vie",
        "view ",
        "view\0",
        "Action::view",
        "User::\"view\"",
        "action::\"view\"",
        "Action::\"view",
        "::view",
    ] {
        questions.push((user(), json!({ "name": name }), doc(), Some(false)));
    }
    for (subject, action, resource, expected) in questions {
        let body =
            json!({ "subject": subject, "action": action, "resource": resource, "context": context }).to_string();
        let decided = decision(&mut client, &body).await;
        if decided != expected {
            wrong.push(format!("{body}: {decided:?} and not {expected:?}"));
        }
    }

    // Values: Cedar's escapes are understood where such a value is declared, and nowhere else.
    for (members, expected) in [
        (r#""s":"a""#, Some(true)),
        (r#""s":"User::\"x\"""#, Some(true)),
        ("", None),
        (r#""s":null"#, None),
        (r#""s":1"#, None),
        (r#""s":true"#, None),
        (r#""s":["a"]"#, None),
        (r#""s":{}"#, None),
        (r#""s":{"__entity":{"type":"User","id":"x"}}"#, None),
        (r#""s":{"__extn":{"fn":"decimal","arg":"1.0"}}"#, None),
        (r#""s":{"__expr":"\"a\""}"#, None),
        (r#""s":{"type":"User","id":"x"}"#, None),
        (r#""s":"a","u":{"type":"User","id":"x"}"#, Some(true)),
        (r#""s":"a","u":{"__entity":{"type":"User","id":"x"}}"#, Some(true)),
        (r#""s":"a","u":"x""#, None),
        (r#""s":"a","u":"User::\"x\"""#, None),
        (r#""s":"a","u":{"type":"Team","id":"x"}"#, None),
        (r#""s":"a","u":{"type":"Action","id":"view"}"#, None),
        (r#""s":"a","u":{"type":"Nobody","id":"x"}"#, None),
        (r#""s":"a","u":{"__entity":{"type":"Team","id":"x"}}"#, None),
        (
            r#""s":"a","u":{"__entity":{"type":"Team","id":"x"},"type":"User","id":"x"}"#,
            None,
        ),
        (r#""s":"a","u":{"__entity":"User::\"x\""}"#, None),
        (r#""s":"a","u":{"__entity":{"__entity":{"type":"User","id":"x"}}}"#, None),
        (r#""s":"a","u":{"__extn":{"fn":"decimal","arg":"1.0"}}"#, None),
        (r#""s":"a","u":[{"type":"User","id":"x"}]"#, None),
        (r#""s":"a","d":"1.0""#, Some(true)),
        (r#""s":"a","d":{"__extn":{"fn":"decimal","arg":"1.0"}}"#, Some(true)),
        (r#""s":"a","d":{"fn":"decimal","arg":"1.0"}"#, Some(true)),
        (r#""s":"a","d":{"__extn":{"fn":"ip","arg":"127.0.0.1"}}"#, None),
        (r#""s":"a","d":{"__extn":{"fn":"decimal","arg":1}}"#, None),
        (r#""s":"a","d":{"__extn":{"fn":"decimal","arg":"one"}}"#, None),
        (r#""s":"a","d":{"__extn":{"fn":"decimal"}}"#, None),
        (r#""s":"a","d":{"__extn":{"fn":"datetime","arg":"2026-01-31"}}"#, None),
        (r#""s":"a","d":{"__entity":{"type":"User","id":"x"}}"#, None),
        (r#""s":"a","d":"one""#, None),
        (r#""s":"a","many":["a","b"]"#, Some(true)),
        (r#""s":"a","many":[]"#, Some(true)),
        (r#""s":"a","many":"a""#, None),
        (r#""s":"a","many":["a",1]"#, None),
        (r#""s":"a","many":["a",null]"#, None),
        (r#""s":"a","many":["a",{"__entity":{"type":"User","id":"x"}}]"#, None),
        (r#""s":"a","many":{"__entity":{"type":"User","id":"x"}}"#, None),
        (r#""s":"a","inner":{"s":"a"}"#, Some(true)),
        (r#""s":"a","inner":{"s":"a","__entity":{"type":"User","id":"x"}}"#, Some(true)),
        (r#""s":"a","inner":{"__entity":{"type":"User","id":"x"}}"#, None),
        (r#""s":"a","inner":{"s":{"__extn":{"fn":"decimal","arg":"1.0"}}}"#, None),
        (r#""s":"a","inner":"a""#, None),
        // What nobody declared is dropped, whatever it is.
        (r#""s":"a","__entity":{"type":"Team","id":"x"}"#, Some(true)),
        (r#""s":"a","other":{"__entity":{"type":"Nobody","id":"x"}}"#, Some(true)),
        (r#""s":"a","other":{"__expr":"principal"}"#, Some(true)),
    ] {
        let decided = decision(&mut client, with_context("x", members)).await;
        if decided != expected {
            wrong.push(format!("{members}: {decided:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_random_question_that_the_schema_rules_out_is_allowed() {
    const TYPES: &[&str] = &[
        "User",
        "user",
        "USER",
        "ServiceUser",
        "serviceuser",
        "Team",
        "team",
        "Datastore",
        "datastore",
        "EnrichmentDatastore",
        "Platform",
        "platform",
        "Action",
        "action",
        "Nobody",
        "",
        "User ",
        "__cedar::User",
        "User::\"ana@example.com\"",
    ];
    const IDS: &[&str] = &[
        "ana@example.com",
        "theo@example.com",
        "joris@example.com",
        "bo@example.com",
        "carla@example.com",
        "nightly-scan",
        "provisioner",
        "Public",
        "public",
        "finance",
        "data-platform",
        "ledger",
        "holidays",
        "audit-trail",
        "ledger-quality",
        "main",
        "read",
        "",
        "Admin",
        "Action::\"read\"",
        "User::\"ana@example.com\"",
    ];
    let snapshot = compile_files(&app::built_in(), &Options::default()).expect("the built-in model");
    let environments: Vec<(String, String, String, String)> = snapshot
        .schema()
        .request_envs()
        .map(|environment| {
            (
                environment.principal().to_string(),
                environment.action().to_string(),
                environment.action().id().unescaped().to_owned(),
                environment.resource().to_string(),
            )
        })
        .collect();
    assert!(environments.len() > 50, "{}", environments.len());
    let mut actions: Vec<String> = environments
        .iter()
        .flat_map(|(_, exact, short, _)| [exact.clone(), short.clone(), short.to_uppercase()])
        .collect();
    actions.extend(
        [
            "burn",
            "",
            "User::\"read\"",
            "Action",
            "action::\"read\"",
            "Action::read",
        ]
        .map(str::to_owned),
    );
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();

    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let mut dice = Dice(17);
    let mut ruled_out = 0;
    let mut allowed = 0;
    for round in 0..rounds(5_000) {
        let principal = (dice.pick(TYPES), dice.pick(IDS));
        let action = dice.pick(&actions);
        let resource = (dice.pick(TYPES), dice.pick(IDS));
        let fits = environments.iter().any(|(principal_type, exact, short, resource_type)| {
            principal_type.eq_ignore_ascii_case(principal.0)
                && (exact == action || short.eq_ignore_ascii_case(action))
                && resource_type.eq_ignore_ascii_case(resource.0)
        });
        let decided = snapshot.decide(&Query::plain(principal, action, resource));
        let asked = format!("{principal:?} {action} {resource:?}");
        if fits {
            allowed += usize::from(decided.as_ref().is_ok_and(|decision| decision.is_allowed()));
        } else {
            ruled_out += 1;
            let decision = decided.as_ref().unwrap_or_else(|problem| panic!("{asked}: {problem}"));
            assert!(
                matches!(decision.cause, Cause::UnknownName | Cause::NotApplicable),
                "{asked}: {decision:?}"
            );
            assert!(
                decision.determining.is_empty() && decision.errors.is_empty(),
                "{asked}: {decision:?}"
            );
        }
        if round < 300 {
            let over_http = self::decision(&mut client, question(principal, action, resource)).await;
            assert_eq!(over_http, decided.ok().map(|decision| decision.is_allowed()), "{asked}");
        }
    }
    assert!(ruled_out > 0 && allowed > 0, "{ruled_out} ruled out, {allowed} allowed");
}

// Policies that err.

/// Where the entities of a question are.
#[derive(Clone, Copy)]
enum Stored {
    Yes,
    No,
}

/// Conditions that are valid and cannot be evaluated on the question that is asked: which of principal and resource
/// the store has, what the resource brings, and the condition.
#[rustfmt::skip]
const ERRING: &[(Stored, Stored, &str, &str)] = &[
    (Stored::Yes, Stored::Yes, "{}", "principal.boss.level > 0"),
    (Stored::Yes, Stored::Yes, "{}", "principal.boss.boss == principal"),
    (Stored::Yes, Stored::Yes, "{}", "principal.level + 9223372036854775807 > 0"),
    (Stored::Yes, Stored::Yes, "{}", "principal.least - 1 < 0"),
    (Stored::Yes, Stored::Yes, "{}", "-principal.least > 0"),
    (Stored::Yes, Stored::Yes, "{}", "principal.level * 9223372036854775807 > 0"),
    (Stored::Yes, Stored::Yes, "{}", "resource.size + context.n > 0"),
    (Stored::Yes, Stored::Yes, "{}", "resource.owner.level > 0"),
    (Stored::Yes, Stored::Yes, "{}", "context.who.level > 0"),
    (Stored::Yes, Stored::Yes, "{}", "context.at.offset(duration(\"9223372036854775807ms\")) > context.at"),
    (Stored::No, Stored::Yes, "{}", "principal.level > 0"),
    (Stored::No, Stored::Yes, "{}", "principal == principal.boss"),
    (Stored::Yes, Stored::No, "{}", "resource.size > 0"),
    (Stored::Yes, Stored::No, "{\"size\":1}", "resource.owner == principal"),
];

/// Clauses around a condition that do not keep it from erring.
const CLAUSES: &[&str] = &[
    "when { <it> }",
    "unless { <it> }",
    "when { !(<it>) }",
    "unless { !(<it>) }",
    "when { (<it>) && true }",
    "when { true && (<it>) }",
    "when { (<it>) || true }",
    "when { false || (<it>) }",
    "when { (<it>) || (<it>) }",
    "when { if (<it>) then true else false }",
    "when { if true then (<it>) else false }",
    "when { [(<it>)].contains(true) }",
    "when { {inner: (<it>)}.inner }",
    "when { true } when { <it> }",
    "when { <it> } unless { false }",
];

/// A root whose 210 forbids all err, each on the question of its own principal, and these questions by policy.
fn erring_root() -> (Root, Vec<(String, Value)>) {
    let mut policies = String::from("@id(\"everybody\")\npermit (principal, action, resource);\n");
    let mut users = Vec::new();
    let mut questions = Vec::new();
    let ghost = json!({ "__entity": { "type": "User", "id": "ghost" } });
    for (principal, resource, properties, condition) in ERRING {
        for clause in CLAUSES {
            let number = questions.len();
            let id = format!("erring-{number}");
            let user = format!("u{number}");
            let clause = clause.replace("<it>", condition);
            policies.push_str(&format!(
                "@id(\"{id}\")\nforbid (principal == User::\"{user}\", action, resource) {clause};\n"
            ));
            if let Stored::Yes = principal {
                users.push(json!({
                    "uid": { "type": "User", "id": user },
                    "attrs": { "level": 7, "least": i64::MIN, "boss": ghost },
                    "parents": [],
                }));
            }
            let doc = match resource {
                Stored::Yes => "d",
                Stored::No => "nowhere",
            };
            let properties: Value = serde_json::from_str(properties).expect("properties");
            let question = json!({
                "subject": { "type": "User", "id": user },
                "action": { "name": "view" },
                "resource": { "type": "Doc", "id": doc, "properties": properties },
                "context": { "n": 1, "at": "2026-01-31T12:00:00Z", "who": { "type": "User", "id": "ghost" } },
            });
            questions.push((id, question));
        }
    }
    users.push(json!({
        "uid": { "type": "Doc", "id": "d" },
        "attrs": { "size": i64::MAX, "owner": ghost },
        "parents": [],
    }));
    let root = Root::with(&[
        (
            "schema/erring.cedarschema",
            "entity User = { level: Long, least: Long, boss: User }; entity Doc = { owner: User, size: Long }; action \
             view appliesTo { principal: User, resource: Doc, context: { n: Long, at: datetime, who: User } };",
        ),
        ("policies/erring.cedar", &policies),
        ("entities/users.json", &Value::Array(users).to_string()),
    ]);
    (root, questions)
}

#[tokio::test]
async fn a_forbid_that_errs_forbids_and_is_told() {
    let (root, questions) = erring_root();
    assert!(questions.len() >= 200);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    for (id, question) in &questions {
        let answer = client.post(EVALUATION, &question.to_string()).await;
        assert_eq!(answer.text(), "{\"decision\":false}", "{id}: {question}");
        assert_eq!(answer.header("gatepost-policy-errors"), Some("1"), "{id}: {question}");
    }
    let all: Vec<&Value> = questions.iter().map(|(_, question)| question).collect();
    let answer = client.post(EVALUATIONS, &json!({ "evaluations": all }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("gatepost-policy-errors"), Some(&*questions.len().to_string()));
    let decisions = answer.json();
    let decisions = decisions["evaluations"].as_array().expect("evaluations");
    assert_eq!(decisions.len(), questions.len());
    assert!(decisions.iter().all(|decision| decision["decision"] == false));

    let status = client.get("/status").await.json();
    assert_eq!(status["requests"]["allowed"], 0, "{status}");
    assert_eq!(status["requests"]["denied"], 2 * questions.len());
    let told = status["policy_errors"].as_object().expect("policy errors");
    assert_eq!(told.len(), questions.len());
    for (id, _) in &questions {
        assert_eq!(told[id]["count"], 2, "{id}");
        assert!(told[id]["last"].as_str().is_some_and(|message| !message.is_empty()), "{id}");
    }
    // Somebody whom none of them is about.
    let mut question = questions[0].1.clone();
    question["subject"]["id"] = json!("somebody");
    let answer = client.post(EVALUATION, &question.to_string()).await;
    assert_eq!(answer.text(), ALLOWED);
    assert_eq!(answer.header("gatepost-policy-errors"), None);
}

#[tokio::test]
async fn a_forbid_that_errs_is_skipped_where_that_is_set_and_is_told_all_the_same() {
    let (root, questions) = erring_root();
    let mut settings = settings();
    settings.options.erring_forbid = ErringForbid::Skipped;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    for (id, question) in &questions {
        let answer = client.post(EVALUATION, &question.to_string()).await;
        assert_eq!(answer.text(), ALLOWED, "{id}: {question}");
        assert_eq!(answer.header("gatepost-policy-errors"), Some("1"), "{id}: {question}");
    }
    let status = client.get("/status").await.json();
    assert_eq!(
        status["policy_errors"].as_object().map(serde_json::Map::len),
        Some(questions.len())
    );
}

#[tokio::test]
async fn policies_of_which_one_is_invalid_are_refused_whole_and_the_old_ones_stay() {
    let root = Root::tiny("permit (principal == User::\"a\", action, resource);");
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let revision = client.get("/readyz").await.json()["revision"].clone();
    for broken in [
        "permit (principal, action",
        "permit (principal, action, resource) when { principal.nothing == 1 };",
        "permit (principal, action, resource) when { 1 + \"a\" == 2 };",
        "permit (principal, action, resource) when { context.nothing };",
        "permit (principal is Nobody, action, resource);",
        "permit (principal == Nobody::\"a\", action, resource);",
        "permit (principal, action == Action::\"burn\", resource);",
        "permit (principal, action == User::\"view\", resource);",
        "@id(\"same\") permit (principal, action, resource);\n@id(\"same\") forbid (principal, action, resource);",
        "forbid (principal == User::\"\u{202e}b\", action, resource);",
        "allow (principal, action, resource);",
    ] {
        let failures = sidecar.live().status().failures;
        root.write("policies/more.cedar", &format!("{PERMIT}\n{broken}\n"));
        let status = sidecar
            .status(broken, |status| status.failures > failures && status.pending.is_some())
            .await;
        let faults = status.pending.expect("faults").faults.clone();
        assert!(
            faults.iter().any(|fault| fault.to_string().contains("more.cedar")),
            "{broken}: {faults:?}"
        );
        assert!(client.asks(("User", "a"), "view", ("Doc", "d")).await, "{broken}");
        assert!(!client.asks(("User", "b"), "view", ("Doc", "d")).await, "{broken}");
        let answer = client.post(EVALUATION, &asked()).await;
        assert_eq!(answer.header("gatepost-revision"), revision.as_str(), "{broken}");
        assert_eq!(sidecar.current(), 1, "{broken}");
    }
    root.write("policies/more.cedar", PERMIT);
    sidecar.generation(2).await;
    assert!(client.asks(("User", "b"), "view", ("Doc", "d")).await);
}

// Paths, methods and addresses.

const DECISION_PATHS: &[&str] = &[EVALUATION, EVALUATIONS];
const OTHER_PATHS: &[&str] = &["/healthz", "/readyz", "/status", "/.well-known/authzen-configuration"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thousands_of_random_paths_only_the_real_ones_are_served() {
    const PIECES: &[&str] = &[
        "/",
        "//",
        "/.",
        "/..",
        "/../",
        "./",
        ".",
        ";",
        ";a=b",
        "?",
        "?a=b",
        "#",
        "#a",
        "%2f",
        "%2F",
        "%2e%2e/",
        "%00",
        "%",
        "%zz",
        "%c0%af",
        "\\",
        "..\\",
        " ",
        "\t",
        "\0",
        "\u{e9}",
        "\u{2215}",
        "\u{ff0f}",
        ":",
        "@",
        "*",
        "~",
        "+",
        "access",
        "v1",
        "evaluation",
        "s",
        "A",
        "healthz",
        "status",
        "admin",
        "metrics",
        "debug/pprof",
        ".json",
        "/x",
    ];
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve(root.path()).await;
    let host = sidecar.address.to_string();
    let body = asked();
    let real: Vec<&str> = DECISION_PATHS.iter().chain(OTHER_PATHS).copied().collect();
    let mut dice = Dice(25);
    let mut wire = Wire::connect(sidecar.address);
    let mut served = 0;
    for _ in 0..rounds(4_000) {
        let mut path = dice.pick(&real).to_owned();
        for _ in 0..dice.below(4) {
            let places: Vec<usize> = path.char_indices().map(|(at, _)| at).chain([path.len()]).collect();
            let at = places[dice.below(places.len())];
            match dice.below(4) {
                0 if at < path.len() => drop(path.remove(at)),
                1 => {
                    let upper = path[at..].to_uppercase();
                    path.replace_range(at.., &upper);
                }
                _ => path.insert_str(at, dice.pick(PIECES)),
            }
        }
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        // What a query or a fragment says never matters.
        let route = path.split(['?', '#']).next().unwrap_or_default();
        let (method, is_real) = match dice.below(2) {
            0 => ("GET", OTHER_PATHS.contains(&route)),
            _ => ("POST", DECISION_PATHS.contains(&route)),
        };
        let length = if method == "POST" { body.len() } else { 0 };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{}",
            &body[..length]
        );
        wire.send(&request);
        let reply = wire.reply().unwrap_or_else(|| panic!("{method} {path:?}: no answer"));
        if is_real && real.contains(&path.as_str()) {
            served += 1;
            assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        } else if is_real {
            assert!(matches!(reply.status, 200 | 400), "{method} {path:?}: {}", reply.status);
        } else {
            assert!(matches!(reply.status, 400 | 404 | 405), "{method} {path:?}: {}", reply.status);
            assert!(!reply.body.contains("decision"), "{method} {path:?}: {}", reply.body);
        }
        if reply.head.to_ascii_lowercase().contains("connection: close") {
            wire = Wire::connect(sidecar.address);
        }
    }
    assert!(served > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_methods_that_there_are_are_served() {
    let root = Root::tiny(PERMIT);
    let sidecar = Sidecar::serve(root.path()).await;
    let host = sidecar.address.to_string();
    let body = asked();
    let ask = |method: &str, path: &str, header: &str| {
        let mut wire = Wire::connect(sidecar.address);
        wire.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{header}X-Canary: 4711\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        wire.rest(PATIENCE).unwrap_or_else(|said| panic!("{method} {path}: stays open: {said:?}"))
    };
    let refused = |method: &str, path: &str, header: &str, allow: &str| {
        let said = ask(method, path, header);
        assert!(said.starts_with("HTTP/1.1 405 "), "{method} {path} {header:?}: {said:?}");
        assert!(
            said.to_ascii_lowercase().contains(&format!("\r\nallow: {allow}")),
            "{method} {path} {header:?}: {said:?}"
        );
        assert!(!said.contains("4711"), "{method} {path} gives back what it was sent: {said:?}");
        assert!(!said.contains("decision"), "{method} {path}: {said:?}");
    };
    for method in ["TRACE", "CONNECT", "HEAD", "OPTIONS"] {
        for path in DECISION_PATHS {
            refused(method, path, "", "post");
        }
        for path in OTHER_PATHS {
            refused(method, path, "", "get");
        }
        refused(method, "/nothing", "", "get, post");
    }
    for method in [
        "PUT", "DELETE", "PATCH", "PROPFIND", "QUERY", "BREW", "get", "post", "Get", "Post",
    ] {
        for path in DECISION_PATHS {
            refused(method, path, "", "post");
        }
        for path in OTHER_PATHS {
            refused(method, path, "", "get");
        }
    }
    for path in DECISION_PATHS {
        refused("GET", path, "", "post");
    }
    for path in OTHER_PATHS {
        refused("POST", path, "", "get");
    }
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x-http-METHOD-override",
    ] {
        for method in ["GET", "POST", "PUT"] {
            refused("POST", EVALUATION, &format!("{name}: {method}\r\n"), "get, post");
            refused("GET", "/healthz", &format!("{name}: {method}\r\n"), "get, post");
        }
    }
    assert!(ask("POST", EVALUATION, "").contains(ALLOWED));
    assert!(ask("GET", "/healthz", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_address_beyond_loopback_ends_the_process_wherever_it_is_set() {
    let root = Root::tiny(PERMIT);
    for address in [
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.1:0",
        "[::ffff:127.0.0.1]:0",
        "[::ffff:0.0.0.0]:0",
    ] {
        root.write("elsewhere.toml", &format!("listen = [\"127.0.0.1:0\", \"{address}\"]\n"));
        let settings_file = root.path().join("elsewhere.toml");
        let with = |set: &dyn Fn(&mut Command)| {
            let mut command = gatepost();
            command.arg("serve").arg(root.path());
            set(&mut command);
            command
        };
        for (how, mut command) in [
            (
                "a flag",
                with(&|command| {
                    command.args(["--listen", address]);
                }),
            ),
            (
                "a second flag",
                with(&|command| {
                    command.args(["--listen", "127.0.0.1:0", "--listen", address]);
                }),
            ),
            (
                "--set",
                with(&|command| {
                    command.args(["--set", &format!("listen={address}")]);
                }),
            ),
            (
                "a variable",
                with(&|command| {
                    command.env("GATEPOST_LISTEN", address);
                }),
            ),
            (
                "a file",
                with(&|command| {
                    command.arg("--config").arg(&settings_file);
                }),
            ),
        ] {
            let mut child = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("a process");
            let code = exit_code(&mut child);
            let mut said = String::new();
            child.stderr.take().expect("its errors").read_to_string(&mut said).expect("UTF-8");
            assert_eq!(code, Some(1), "{address} by {how}: {said}");
            assert!(said.contains("not a loopback address"), "{address} by {how}: {said}");
            assert!(said.contains(address), "{address} by {how}: {said}");
        }
    }
}

// Decisions that break off.

/// What the planted panic says.
const PLANTED: &str = "planted: this decision breaks off";
/// Every one of so many decisions breaks off.
const BREAKS_OFF_EVERY: usize = 1_000;

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static BROKEN_OFF: AtomicUsize = AtomicUsize::new(0);

fn sometimes_breaks_off() {
    if (BEGUN.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BREAKS_OFF_EVERY) {
        BROKEN_OFF.fetch_add(1, Ordering::Relaxed);
        panic::panic_any(PLANTED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_breaks_off_is_an_error_and_never_an_allow() {
    // What is planted would only hide what is not.
    let other = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&PLANTED) {
            other(info);
        }
    }));
    let root = Root::tiny("permit (principal == User::\"a\", action, resource);");
    let mut settings = settings();
    settings.serve.before_decision = Some(sometimes_breaks_off);
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let requests = rounds(20_000);
    let mut asking = JoinSet::new();
    for number in 0..8 {
        let mut client = sidecar.client().await;
        asking.spawn(async move {
            let (mut allowed, mut denied, mut errors) = (0, 0, 0);
            for turn in (number..requests).step_by(8) {
                let user = if turn / 8 % 2 == 0 { "a" } else { "b" };
                let question = question(("User", user), "view", ("Doc", "d"));
                // Every fifth comes as a batch of three, which breaks off as a whole.
                let (answer, decisions) = if turn / 8 % 5 == 0 {
                    let batch = format!("{{\"evaluations\":[{question},{question},{question}]}}");
                    (client.post(EVALUATIONS, &batch).await, 3)
                } else {
                    (client.post(EVALUATION, &question).await, 1)
                };
                if answer.status == 500 {
                    let error = json!({ "error": { "status": 500, "message": "internal error" } });
                    assert_eq!(answer.json(), error);
                    errors += 1;
                    continue;
                }
                assert_eq!(answer.status, 200, "{}", answer.text());
                let right = answer.text().matches(if user == "a" { ALLOWED } else { "{\"decision\":false}" });
                assert_eq!(right.count(), decisions, "{user}: {}", answer.text());
                if user == "a" {
                    allowed += decisions;
                } else {
                    denied += decisions;
                }
            }
            (allowed, denied, errors)
        });
    }
    let (mut allowed, mut denied, mut errors) = (0, 0, 0);
    while let Some(asked) = asking.join_next().await {
        let counts = asked.expect("only right answers");
        allowed += counts.0;
        denied += counts.1;
        errors += counts.2;
    }
    assert_eq!(errors, requests / BREAKS_OFF_EVERY);
    assert_eq!(errors, BROKEN_OFF.load(Ordering::Relaxed));

    let mut client = sidecar.client().await;
    let status = client.get("/status").await.json();
    assert_eq!(status["requests"]["panics"], errors, "{status}");
    assert_eq!(status["requests"]["allowed"], allowed, "{status}");
    assert_eq!(status["requests"]["denied"], denied, "{status}");
    assert_eq!(client.get("/healthz").await.status, 200);
}

// Signals.

/// Waits until nobody listens there any more.
fn until_refused(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "connections are still taken");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A request whose body has come half, and that half of the body which has not.
fn half_sent(process: &Process) -> (Wire, String) {
    let body = asked();
    let (first, second) = body.split_at(body.len() / 2);
    let host = process.address.to_string();
    let mut wire = Wire::connect(process.address);
    wire.send(message("<head>Content-Length: <len>\r\nExpect: 100-continue\r\n\r\n", &host));
    assert_eq!(wire.reply().map(|reply| reply.status), Some(100), "the body is waited for");
    wire.send(first);
    (wire, second.to_owned())
}

#[test]
fn a_request_under_way_is_answered_before_a_process_that_is_told_to_stop_ends() {
    let root = Root::tiny(PERMIT);
    let patient = [
        "--set",
        "limits.body_timeout_ms=60000",
        "--set",
        "limits.drain_timeout_ms=60000",
    ];
    for signal in ["TERM", "INT"] {
        let mut process = Process::serve(root.path(), &patient);
        let (mut wire, rest) = half_sent(&process);
        process.signal(signal);
        until_refused(process.address);
        assert!(
            process.child.try_wait().expect("a child").is_none(),
            "SIG{signal}: a request is under way"
        );
        wire.send(rest);
        let reply = wire.reply().expect("an answer");
        assert_eq!((reply.status, &*reply.body), (200, ALLOWED), "SIG{signal}");
        assert_eq!(wire.rest(PATIENCE), Ok(String::new()), "SIG{signal}: the connection ends");
        assert_eq!(exit_code(&mut process.child), Some(0), "SIG{signal}");
    }
}

#[test]
fn connections_that_ask_nothing_do_not_hold_a_process_that_is_told_to_stop() {
    let root = Root::tiny(PERMIT);
    let mut process = Process::serve(root.path(), &["--set", "limits.drain_timeout_ms=600000"]);
    let mut fresh = Wire::connect(process.address);
    let mut idle = Wire::connect(process.address);
    idle.send(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", process.address));
    assert_eq!(idle.reply().map(|reply| reply.status), Some(200));
    process.signal("TERM");
    assert_eq!(exit_code(&mut process.child), Some(0));
    assert_eq!(idle.rest(PATIENCE), Ok(String::new()));
    assert_eq!(fresh.rest(PATIENCE), Ok(String::new()));
}

#[test]
fn a_request_that_never_ends_holds_a_process_that_is_told_to_stop_no_longer_than_is_set() {
    let root = Root::tiny(PERMIT);
    let limits = [
        "--set",
        "limits.body_timeout_ms=600000",
        "--set",
        "limits.drain_timeout_ms=500",
    ];
    let mut process = Process::serve(root.path(), &limits);
    let (mut wire, _) = half_sent(&process);
    process.signal("TERM");
    assert_eq!(exit_code(&mut process.child), Some(0));
    assert_eq!(wire.rest(PATIENCE), Ok(String::new()), "cut without an answer");
}

#[tokio::test]
async fn a_hang_up_reloads_where_nothing_else_would() {
    let root = Root::tiny(PERMIT);
    let process = Process::serve(
        root.path(),
        &["--set", "store.events=false", "--set", "store.sweep_ms=86400000"],
    );
    let mut client = Client::connect(process.address).await;
    assert!(is_allowed(&mut client).await);
    root.write("policies/tiny.cedar", FORBID);
    assert!(is_allowed(&mut client).await, "nobody has looked");
    process.signal("HUP");
    until_allowed_is(&mut client, false).await;

    // Again, and with files that are refused: the last good ones stay.
    root.write("policies/tiny.cedar", PERMIT);
    process.signal("HUP");
    until_allowed_is(&mut client, true).await;
    root.write("policies/tiny.cedar", "forbid (principal");
    process.signal("HUP");
    let status = until_status(&mut client, "a refusal", |status| status["loading"]["failures"] == 1).await;
    assert_eq!(status["live"]["generation"], 3, "{status}");
    assert!(is_allowed(&mut client).await);
}
