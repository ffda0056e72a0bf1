//! What is refused: with which status, in which words, and with nothing served.

use std::net::SocketAddr;

use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, EVALUATION, EVALUATIONS, PATIENCE, Sidecar, rounds};

/// Every route, with the one method that it has.
const ROUTES: &[(&str, &str)] = &[
    ("POST", EVALUATION),
    ("POST", EVALUATIONS),
    ("POST", "/access/v1/search/subject"),
    ("POST", "/access/v1/search/resource"),
    ("POST", "/access/v1/search/action"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/status"),
    ("GET", "/.well-known/authzen-configuration"),
];

/// A question that is answered with allow, so that whatever is served by mistake shows.
const QUESTION: &str = r#"{"subject":{"type":"User","id":"carla@example.com"},"action":{"name":"viewDatastore"},"resource":{"type":"Datastore","id":"ledger"}}"#;

/// The beginning of the same question, for members to follow.
const OPEN: &str = r#"{"subject":{"type":"User","id":"carla@example.com"},"action":{"name":"viewDatastore"},"resource":{"type":"Datastore","id":"ledger"},"#;

/// Bytes of a body, at most.
const BODY_MAX: usize = 1 << 20;

/// A request, sent byte by byte as it stands here, so that it may be what no client would send.
#[derive(Clone)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// A request with nothing but `Host`, as the last of its connection.
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: vec![
                ("Host", "127.0.0.1:PORT".to_owned()),
                ("Connection", "close".to_owned()),
            ],
            body: Vec::new(),
        }
    }

    /// The same with a body of JSON.
    pub(crate) fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let ask = Self {
            body: body.into(),
            ..Self::new("POST", target)
        };
        ask.with("Content-Type", "application/json")
    }

    /// A request that a route serves.
    fn proper(method: &'static str, target: impl Into<String>) -> Self {
        match method {
            "POST" => Self::post(target, QUESTION),
            _ => Self::new(method, target),
        }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same without any header of this name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Its bytes, with the port wherever its head says `PORT`.
    pub(crate) fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let framed = |(name, _): &(&str, String)| matches!(*name, "Content-Length" | "Transfer-Encoding");
        if (self.method == "POST" || !self.body.is_empty()) && !self.headers.iter().any(framed) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.replace("PORT", &port.to_string()).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Sends bytes on a connection of their own, and gives all answers that come before it is closed.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The other side may close before it has read everything: what it said counts.
    let _ = stream.write_all(request).await;
    read_answers(&mut stream).await
}

/// The answers that come until the other side closes.
pub(crate) async fn read_answers(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    // A connection that is reset has said what it had to say.
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    assert!(
        closed.is_ok(),
        "the connection stays open after {:?}",
        String::from_utf8_lossy(&bytes)
    );
    parse_answers(&bytes)
}

fn parse_answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in UTF-8");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header's name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"),
            );
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.to_str().unwrap().parse::<usize>().unwrap());
        // An answer to HEAD has a length and no body.
        let rest = &bytes[end + 4..];
        let (body, rest) = rest.split_at(length.min(rest.len()));
        answers.push(Answer {
            status: StatusCode::from_bytes(status.as_bytes()).expect("a status"),
            headers,
            body: Bytes::copy_from_slice(body),
        });
        bytes = rest;
    }
    answers
}

fn only(answers: Vec<Answer>, shown: &str) -> Answer {
    let [answer] =
        <[Answer; 1]>::try_from(answers).unwrap_or_else(|answers| panic!("{} answers to {shown}", answers.len()));
    answer
}

/// A request, and the refusal that it is owed.
struct Bad {
    ask: Ask,
    status: u16,
    /// The whole message, or its beginning before `…`.
    message: String,
}

fn bad(ask: Ask, status: u16, message: impl Into<String>) -> Bad {
    Bad {
        ask,
        status,
        message: message.into(),
    }
}

fn says(said: &str, owed: &str) -> bool {
    match owed.strip_suffix('…') {
        Some(beginning) => said.starts_with(beginning),
        None => said == owed,
    }
}

/// What every answer carries, whatever it says.
fn assert_marked(answer: &Answer, id: &str, revision: &str, shown: &str) {
    assert_eq!(answer.header("x-request-id"), Some(id), "{shown}");
    assert_eq!(answer.header("gatepost-revision"), Some(revision), "{shown}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{shown}");
    let shared = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(shared, None, "{shown}");
}

/// The revision that a sidecar serves.
pub(crate) fn revision(sidecar: &Sidecar) -> String {
    let current = sidecar.live().current();
    current.as_ref().expect("a generation").snapshot.revision().to_owned()
}

/// Sends each request on a connection of its own. Each has to be refused as its row says, none may be decided, and
/// nothing may break off inside. Gives the answers, for what else their table owes.
async fn check(table: &[Bad]) -> Vec<Answer> {
    let sidecar = Sidecar::built_in().await;
    let revision = revision(&sidecar);
    let mut answers = Vec::with_capacity(table.len());
    for (number, row) in table.iter().enumerate() {
        let id = format!("row {number}");
        let request = row.ask.clone().with("X-Request-ID", id.as_str()).bytes(sidecar.address.port());
        let shown = String::from_utf8_lossy(&request[..request.len().min(1_000)]).into_owned();
        let answer = only(exchange(sidecar.address, &request).await, &shown);
        assert_eq!(answer.status, row.status, "{shown}\n{answer:?}");
        assert_marked(&answer, &id, &revision, &shown);
        if row.ask.method == "HEAD" {
            assert!(answer.body.is_empty(), "{shown}");
        } else {
            let said = answer.message();
            assert!(says(&said, &row.message), "{shown}\nsays `{said}`, and owes `{}`", row.message);
            let whole = json!({ "error": { "status": row.status, "message": said } });
            assert_eq!(answer.json(), whole, "{shown}");
        }
        answers.push(answer);
    }
    let requests = requests(&sidecar).await;
    for count in ["allowed", "denied", "panics"] {
        assert_eq!(requests[count], 0, "{requests}");
    }
    answers
}

/// What a sidecar counted.
async fn requests(sidecar: &Sidecar) -> Value {
    sidecar.client().await.get("/status").await.json()["requests"].take()
}

/// Sends each request on a connection of its own; each has to be served, and each question allowed.
async fn check_served(asks: &[Ask]) {
    let sidecar = Sidecar::built_in().await;
    let revision = revision(&sidecar);
    for ask in asks {
        let request = ask.clone().with("X-Request-ID", "good").bytes(sidecar.address.port());
        let shown = String::from_utf8_lossy(&request[..request.len().min(1_000)]).into_owned();
        let answer = only(exchange(sidecar.address, &request).await, &shown);
        assert_eq!(answer.status, 200, "{shown}\n{answer:?}");
        assert_marked(&answer, "good", &revision, &shown);
        if ask.target.contains("/search/") {
            assert!(
                answer.json()["results"].as_array().is_some_and(|found| found.len() >= 3),
                "{shown}\n{answer:?}"
            );
        } else if ask.method == "POST" {
            assert_eq!(answer.text(), r#"{"decision":true}"#, "{shown}");
        }
    }
}

/// Sends heads that do not get as far as a route: they are answered with a bare status, and the connection ends.
async fn check_heads(table: &[(u16, Vec<u8>)]) {
    let sidecar = Sidecar::built_in().await;
    for (status, request) in table {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        let answer = only(exchange(sidecar.address, request).await, &shown);
        assert_eq!(answer.status, *status, "{shown}\n{answer:?}");
        assert!(answer.body.is_empty(), "{shown}\n{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown}");
    }
    let requests = requests(&sidecar).await;
    for count in ["allowed", "denied", "panics"] {
        assert_eq!(requests[count], 0, "{requests}");
    }
}

/// Bodies that are no JSON, and what is said about each after `the body is not valid JSON: `.
#[rustfmt::skip]
const MALFORMED: &[(&[u8], &str)] = &[
    // Cut short.
    (b"", "EOF while parsing a value…"),
    (b" \r\n\t ", "EOF while parsing a value…"),
    (b"{", "EOF while parsing an object…"),
    (b"{\"subject\"", "EOF while parsing an object…"),
    (b"{\"subject\":", "EOF while parsing a value…"),
    (b"{\"subject\":{\"type\":\"User\"}", "EOF while parsing an object…"),
    (b"{\"subject\":\"User", "EOF while parsing a string…"),
    (b"{\"subject\":[1", "EOF while parsing a list…"),
    // More than one value, or something behind it.
    (b"{}{}", "trailing characters…"),
    (b"{} x", "trailing characters…"),
    (b"{}}", "trailing characters…"),
    (b"{},", "trailing characters…"),
    (b"{}\0", "trailing characters…"),
    (b"{}\n{}\n", "trailing characters…"),
    (b"{} // as usual", "trailing characters…"),
    // Other languages.
    (b"{'subject':{}}", "key must be a string…"),
    (b"{\"subject\":'User'}", "expected value…"),
    (b"{subject:{}}", "key must be a string…"),
    (b"{1:{}}", "key must be a string…"),
    (b"{null:{}}", "key must be a string…"),
    (b"// a comment\n{}", "expected value…"),
    (b"/* a comment */{}", "expected value…"),
    (b"# a comment\n{}", "expected value…"),
    (b"{\"a\":/**/1}", "expected value…"),
    (b"{\"a\":1,}", "trailing comma…"),
    (b"{\"a\":[1,]}", "trailing comma…"),
    (b"{,}", "key must be a string…"),
    (b"{\"a\" 1}", "expected `:`…"),
    (b"{\"a\":1 \"b\":2}", "expected `,` or `}`…"),
    (b"{\"a\":[1 2]}", "expected `,` or `]`…"),
    (b"{\"a\":}", "expected value…"),
    (b"{\"a\":undefined}", "expected value…"),
    (b"{\"a\":True}", "expected value…"),
    (b"{\"a\":tru}", "expected ident…"),
    (b"subject=User&action=view", "expected value…"),
    (b"%7B%7D", "expected value…"),
    (b"<subject/>", "expected value…"),
    (b"---\nsubject: {}\n", "invalid number…"),
    (b")]}',\n{}", "expected value…"),
    (b"\x1e{}\n", "expected value…"),
    (b"\xc2\xa0{}", "expected value…"),
    (b"\x0c{}", "expected value…"),
    // Numbers that are none, or that no double holds.
    (b"{\"a\":NaN}", "expected value…"),
    (b"{\"a\":Infinity}", "expected value…"),
    (b"{\"a\":-Infinity}", "invalid number…"),
    (b"{\"a\":+1}", "expected value…"),
    (b"{\"a\":01}", "invalid number…"),
    (b"{\"a\":-}", "invalid number…"),
    (b"{\"a\":.5}", "expected value…"),
    (b"{\"a\":1.}", "invalid number…"),
    (b"{\"a\":1e}", "invalid number…"),
    (b"{\"a\":0x1}", "expected `,` or `}`…"),
    (b"{\"a\":1_000}", "expected `,` or `}`…"),
    (b"{\"a\":1e400}", "number out of range…"),
    (b"{\"a\":-1e400}", "number out of range…"),
    // Strings that are none.
    (b"{\"a\":\"\\x41\"}", "invalid escape…"),
    (b"{\"a\":\"\\u12\"}", "invalid escape…"),
    (b"{\"a\":\"\\'\"}", "invalid escape…"),
    (b"{\"a\":\"two\nlines\"}", "control character…"),
    (b"{\"a\":\"a\0b\"}", "control character…"),
    (b"{\"a\":\"\x1b[31m\"}", "control character…"),
    (b"{\"a\n\":1}", "control character…"),
    // Lone surrogates.
    (b"{\"a\":\"\\ud800\"}", "unexpected end of hex escape…"),
    (b"{\"a\":\"\\ud800x\"}", "unexpected end of hex escape…"),
    (b"{\"a\":\"\\ud800\\ud800\"}", "lone leading surrogate in hex escape…"),
    (b"{\"a\":\"\\ud800\\u0041\"}", "lone leading surrogate in hex escape…"),
    (b"{\"a\":\"\\udc00\"}", "lone leading surrogate in hex escape…"),
    (b"{\"a\":\"\\udc00\\ud800\"}", "lone leading surrogate in hex escape…"),
    (b"{\"\\ud800\":1}", "unexpected end of hex escape…"),
    // Bytes that are no UTF-8: stray ones, overlong forms, surrogates, beyond Unicode, cut short, Latin-1, UTF-16.
    (b"{\"a\":\"\xff\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xc0\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xc0\xaf\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xe0\x80\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xf0\x80\x80\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xf4\x90\x80\x80\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"\xf0\x9f\x98\"}", "invalid UTF-8 at byte 6"),
    (b"{\"a\":\"caf\xe9\"}", "invalid UTF-8 at byte 9"),
    (b"{\"a\xff\":1}", "invalid UTF-8 at byte 3"),
    (b"{}\xff", "invalid UTF-8 at byte 2"),
    (b"\xff\xfe{\0}\0", "invalid UTF-8 at byte 0"),
    (b"\xfe\xff\0{\0}", "invalid UTF-8 at byte 0"),
    (b"{\0}\0", "key must be a string…"),
    // gzip, and byte order marks.
    (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "invalid UTF-8 at byte 1"),
    (b"\xef\xbb\xbf{}", "a byte order mark at byte 0: JSON has none"),
    (b"\xef\xbb\xbf\xef\xbb\xbf{}", "a byte order mark at byte 0: JSON has none"),
    (b" \xef\xbb\xbf{}", "expected value…"),
];

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_what_is_wrong_and_where() {
    let mut table = Vec::new();
    for path in [EVALUATION, EVALUATIONS] {
        for (body, words) in MALFORMED {
            table.push(bad(Ask::post(path, *body), 400, format!("the body is not valid JSON: {words}")));
        }
    }
    check(&table).await;
}

#[tokio::test]
async fn a_question_is_refused_at_whatever_byte_it_breaks_off() {
    let table: Vec<Bad> = (0..QUESTION.len())
        .map(|end| bad(Ask::post(EVALUATION, &QUESTION[..end]), 400, "the body is not valid JSON: EOF…"))
        .collect();
    check(&table).await;
}

/// Bodies that say one name twice, and the name.
#[rustfmt::skip]
const TWICE: &[(&str, &str)] = &[
    (r#"{"subject":{},"subject":{}}"#, "subject"),
    (r#"{"subject":{},"action":{},"subject":{}}"#, "subject"),
    (r#"{"subject":null,"subject":{}}"#, "subject"),
    (r#"{"subject":{},"\u0073ubject":{}}"#, "subject"),
    (r#"{"\u0073\u0075bject":{},"subject":{}}"#, "subject"),
    (r#"{"action":{},"action":{}}"#, "action"),
    (r#"{"resource":{},"resource":{}}"#, "resource"),
    (r#"{"context":{},"context":{}}"#, "context"),
    (r#"{"options":{},"options":{}}"#, "options"),
    (r#"{"evaluations":[],"evaluations":[]}"#, "evaluations"),
    (r#"{"unknown":1,"unknown":1}"#, "unknown"),
    (r#"{"":1,"":1}"#, ""),
    (r#"{"a\u0000":1,"a\u0000":1}"#, "a\0"),
    (r#"{"\ud83d\ude00":1,"😀":1}"#, "😀"),
    (r#"{"\/":1,"/":1}"#, "/"),
    (r#"{"subject":{"type":"User","type":"User"}}"#, "type"),
    (r#"{"subject":{"type":"User","id":"carla@example.com","id":"ana@example.com"}}"#, "id"),
    (r#"{"subject":{"type":"User","id":"a","\u0069d":"b"}}"#, "id"),
    (r#"{"subject":{"properties":{},"properties":{}}}"#, "properties"),
    (r#"{"subject":{"properties":{"a":1,"\u0061":2}}}"#, "a"),
    (r#"{"subject":{"properties":{"a":{"b":{"c":1,"c":2}}}}}"#, "c"),
    (r#"{"subject":{"properties":{"a":[[{"c":1,"\u0063":2}]]}}}"#, "c"),
    (r#"{"action":{"name":"read","name":"write"}}"#, "name"),
    (r#"{"action":{"name":"read","properties":{"soft":true,"soft":false}}}"#, "soft"),
    (r#"{"resource":{"type":"Datastore","type":"Team"}}"#, "type"),
    (r#"{"resource":{"properties":{"readers":[{"type":"Team","id":"a","id":"b"}]}}}"#, "id"),
    (r#"{"context":{"teams":[],"teams":[]}}"#, "teams"),
    (r#"{"context":{"teams":[{"type":"Team","\u0074ype":"Team","id":"finance"}]}}"#, "type"),
    (r#"{"context":{"teams":[{"__entity":{},"__entity":{}}]}}"#, "__entity"),
    (r#"{"options":{"evaluations_semantic":"execute_all","evaluations_semantic":"execute_all"}}"#, "evaluations_semantic"),
    (r#"{"evaluations":[{"subject":{},"subject":{}}]}"#, "subject"),
    (r#"{"evaluations":[{},{"context":{"a":{"b":0,"b":0}}}]}"#, "b"),
    (r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"a":0}"#, "a"),
    (r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"p":0}"#, "p"),
    (r#"{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0,"q":0}"#, "q"),
];

#[tokio::test]
async fn a_member_name_may_not_occur_twice_in_an_object() {
    let mut table = Vec::new();
    for (body, name) in TWICE {
        let message = format!("the body is not valid JSON: the member name `{name}` occurs twice…");
        table.push(bad(Ask::post(EVALUATION, *body), 400, message.as_str()));
        table.push(bad(Ask::post(EVALUATIONS, *body), 400, message.as_str()));
        // An otherwise perfect question does not help.
        let rest = body.strip_prefix('{').expect("an object");
        if !["subject", "action", "resource"]
            .iter()
            .any(|member| rest.starts_with(&format!("\"{member}\"")))
        {
            table.push(bad(Ask::post(EVALUATION, format!("{OPEN}{rest}")), 400, message));
        }
    }
    check(&table).await;
}

/// JSON that nests arrays, or objects, or one in the other, this deep.
fn nested(open: &str, innermost: &str, close: &str, levels: usize) -> String {
    format!("{}{innermost}{}", open.repeat(levels), close.repeat(levels))
}

#[tokio::test]
async fn json_may_nest_32_levels_and_no_more() {
    // The outermost object is the first level.
    let question = |deep: &str| Ask::post(EVALUATION, format!("{OPEN}\"unknown\":{deep}}}"));
    let in_context = |deep: &str| Ask::post(EVALUATION, format!("{OPEN}\"context\":{{\"unknown\":{deep}}}}}"));
    let served = [
        question(&nested("[", "", "]", 31)),
        question(&nested("[", "1", "]", 31)),
        question(&nested("{\"a\":", "1", "}", 31)),
        question(&nested("{\"a\":", "{}", "}", 30)),
        question(&nested("[{\"a\":", "[]", "}]", 15)),
        in_context(&nested("[", "", "]", 30)),
        in_context(&nested("{\"a\":", "1", "}", 30)),
    ];
    check_served(&served).await;

    let anything = |body: String| Ask::post(EVALUATION, body);
    let refused = [
        question(&nested("[", "", "]", 32)),
        question(&nested("[", "1", "]", 32)),
        question(&nested("{\"a\":", "1", "}", 32)),
        // What is empty is as deep as what is not.
        question(&nested("{\"a\":", "{}", "}", 31)),
        question(&nested("[", "{}", "]", 31)),
        question(&nested("[{\"a\":", "1", "}]", 16)),
        in_context(&nested("[", "", "]", 31)),
        in_context(&nested("{\"a\":", "1", "}", 31)),
        anything(nested("[", "", "]", 33)),
        anything(nested("[", "", "]", 129)),
        anything(nested("[", "", "]", 500_000)),
        anything(nested("[", "", "", 1_000_000)),
        anything(nested("{\"a\":", "", "", 200_000)),
        anything(nested("{\"a\":[", "", "", 170_000)),
        Ask::post(EVALUATIONS, nested("{\"evaluations\":[", "", "]}", 50_000)),
        Ask::post(EVALUATIONS, nested("[", "", "", 1_000_000)),
    ];
    let message = "the body is not valid JSON: nested too deeply…";
    let table: Vec<Bad> = refused.into_iter().map(|ask| bad(ask, 400, message)).collect();
    check(&table).await;
}

/// Each kind of value, and what it is called.
const KINDS: &[(&str, &str)] = &[
    ("true", "a boolean"),
    ("false", "a boolean"),
    ("0", "a number"),
    ("-2.5", "a number"),
    ("18446744073709551616", "a number"),
    ("\"\"", "a string"),
    ("\"User\"", "a string"),
    ("[]", "an array"),
    ("[{}]", "an array"),
    ("{}", "an object"),
    ("{\"id\":\"a\"}", "an object"),
];

/// What a member has to be.
#[derive(Clone, Copy, PartialEq)]
enum Member {
    Object,
    /// May be absent, or null.
    OptionalObject,
    String,
}

/// Every member that the specification gives a type.
const MEMBERS: &[(&str, Member)] = &[
    ("/subject", Member::Object),
    ("/subject/type", Member::String),
    ("/subject/id", Member::String),
    ("/subject/properties", Member::OptionalObject),
    ("/action", Member::Object),
    ("/action/name", Member::String),
    ("/action/properties", Member::OptionalObject),
    ("/resource", Member::Object),
    ("/resource/type", Member::String),
    ("/resource/id", Member::String),
    ("/resource/properties", Member::OptionalObject),
    ("/context", Member::OptionalObject),
];

/// Questions with one wrong member each, and what is wrong with it.
fn wrong_questions() -> Vec<(Value, String)> {
    let whole = json!({
        "subject": { "type": "User", "id": "carla@example.com", "properties": {} },
        "action": { "name": "viewDatastore", "properties": {} },
        "resource": { "type": "Datastore", "id": "ledger", "properties": {} },
        "context": {},
    });
    let mut wrong = Vec::new();
    for &(pointer, member) in MEMBERS {
        let name = pointer[1..].replace('/', ".");
        let mut change = |value: Value, message: String| {
            let mut question = whole.clone();
            *question.pointer_mut(pointer).expect("the member") = value;
            wrong.push((question, message));
        };
        let owed = if member == Member::String {
            "a string"
        } else {
            "an object"
        };
        for (value, kind) in KINDS.iter().filter(|(_, kind)| *kind != owed) {
            let value = serde_json::from_str(value).expect("JSON");
            change(value, format!("{name}: must be {owed}, not {kind}"));
        }
        if member != Member::OptionalObject {
            change(Value::Null, format!("{name}: required"));
            let mut question = whole.clone();
            let (above, last) = pointer.rsplit_once('/').expect("a pointer");
            let above = question.pointer_mut(above).and_then(Value::as_object_mut);
            above.expect("an object").remove(last);
            wrong.push((question, format!("{name}: required")));
        }
    }
    wrong.push((json!({}), "subject: required".to_owned()));
    wrong.push((json!({ "Subject": {}, "SUBJECT": {} }), "subject: required".to_owned()));
    wrong.push((json!({ "subject": {} }), "subject.type: required".to_owned()));
    wrong
}

#[tokio::test]
async fn members_that_are_missing_or_of_another_type_are_named() {
    let mut table = Vec::new();
    for (question, message) in wrong_questions() {
        for path in [EVALUATION, EVALUATIONS] {
            table.push(bad(Ask::post(path, question.to_string()), 400, message.as_str()));
        }
    }
    check(&table).await;
}

#[tokio::test]
async fn a_bad_item_is_told_in_the_same_words_inside_of_its_batch() {
    let wrong = wrong_questions();
    let items: Vec<&Value> = wrong.iter().map(|(question, _)| question).collect();
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let answer = client.post(EVALUATIONS, &json!({ "evaluations": items }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answers: Vec<Value> = wrong
        .iter()
        .map(|(_, message)| json!({ "decision": false, "context": { "error": { "status": 400, "message": message } } }))
        .collect();
    assert_eq!(answer.json(), json!({ "evaluations": answers }));
}

/// Questions whose values are not what the schema declares, and what is wrong with each.
#[rustfmt::skip]
const VALUES: &[(&str, &str)] = &[
    (r#"{"action":ASSIGN}"#, "context.teams: required"),
    (r#"{"action":ASSIGN,"context":null}"#, "context.teams: required"),
    (r#"{"action":ASSIGN,"context":{}}"#, "context.teams: required"),
    (r#"{"action":ASSIGN,"context":{"teams":null}}"#, "context.teams: required"),
    (r#"{"action":ASSIGN,"context":{"Teams":[]}}"#, "context.teams: required"),
    (r#"{"action":ASSIGN,"context":{"teams":"finance"}}"#, "context.teams: must be an array, not a string"),
    (r#"{"action":ASSIGN,"context":{"teams":7}}"#, "context.teams: must be an array, not a number"),
    (r#"{"action":ASSIGN,"context":{"teams":true}}"#, "context.teams: must be an array, not a boolean"),
    (r#"{"action":ASSIGN,"context":{"teams":{"type":"Team","id":"finance"}}}"#, "context.teams: must be an array, not an object"),
    (r#"{"action":ASSIGN,"context":{"teams":["finance"]}}"#, r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not a string"#),
    (r#"{"action":ASSIGN,"context":{"teams":[null]}}"#, r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not null"#),
    (r#"{"action":ASSIGN,"context":{"teams":[[]]}}"#, r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not an array"#),
    (r#"{"action":ASSIGN,"context":{"teams":[{"type":"Team"}]}}"#, r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not an object"#),
    (r#"{"action":ASSIGN,"context":{"teams":[{"type":"Team","id":7}]}}"#, r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not an object"#),
    (
        r#"{"action":ASSIGN,"context":{"teams":[{"__entity":"Team::\"finance\""}]}}"#,
        r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not an object"#,
    ),
    (
        r#"{"action":ASSIGN,"context":{"teams":[{"__extn":{"fn":"decimal","arg":"1.0"}}]}}"#,
        r#"context.teams[0]: must be an entity such as {"type":"Team","id":"…"}, not an object"#,
    ),
    (
        r#"{"action":ASSIGN,"context":{"teams":[{"type":"Team","id":"finance"},{"type":"User","id":"finance"}]}}"#,
        "context.teams[1]: must be an entity of type `Team`, not `User`",
    ),
    (r#"{"action":ASSIGN,"context":{"teams":[{"type":"","id":""}]}}"#, "context.teams[0]: must be an entity of type `Team`, not ``"),
    (r#"{"action":ASSIGN,"context":{"teams":[{"__entity":{"type":"Nobody","id":"finance"}}]}}"#, "context.teams[0]: must be an entity of type `Team`, not `Nobody`"),
    (r#"{"resource":{"type":"Datastore","id":"ledger","properties":{"name":7}}}"#, "resource.properties.name: must be a string, not a number"),
    (r#"{"resource":{"type":"Datastore","id":"nowhere","properties":{"name":[]}}}"#, "resource.properties.name: must be a string, not an array"),
    (r#"{"resource":{"type":"Datastore","id":"ledger","properties":{"readers":"x"}}}"#, "resource.properties.readers: must be an array, not a string"),
    (
        r#"{"resource":{"type":"Datastore","id":"ledger","properties":{"writers":[{"type":"User","id":"carla@example.com"}]}}}"#,
        "resource.properties.writers[0]: must be an entity of type `Team`, not `User`",
    ),
];

#[tokio::test]
async fn values_of_another_type_than_the_schema_declares_are_named() {
    let table: Vec<Bad> = VALUES
        .iter()
        .map(|(members, message)| {
            let mut question: Value = serde_json::from_str(QUESTION).expect("a question");
            let members = members.replace("ASSIGN", r#"{"name":"assignTeams"}"#);
            let members: Value = serde_json::from_str(&members).expect("members");
            if members.get("action").is_some() {
                question["resource"] = json!({ "type": "User", "id": "hugo@example.com" });
            }
            for (name, value) in members.as_object().expect("an object") {
                question[name.as_str()] = value.clone();
            }
            bad(Ask::post(EVALUATION, question.to_string()), 400, *message)
        })
        .collect();
    check(&table).await;
}

/// Bodies that are no questions at all, and what is wrong with each.
const SHAPES: &[(&str, &str)] = &[
    ("[]", "the body must be a JSON object, not an array"),
    ("[{}]", "the body must be a JSON object, not an array"),
    ("null", "the body must be a JSON object, not null"),
    ("true", "the body must be a JSON object, not a boolean"),
    ("7", "the body must be a JSON object, not a number"),
    ("1.5", "the body must be a JSON object, not a number"),
    ("\"{}\"", "the body must be a JSON object, not a string"),
];

/// Batches that are refused as a whole, and what is wrong with each.
#[rustfmt::skip]
const BATCHES: &[(&str, &str)] = &[
    (r#"{"evaluations":7}"#, "evaluations: must be an array, not a number"),
    (r#"{"evaluations":true}"#, "evaluations: must be an array, not a boolean"),
    (r#"{"evaluations":"[]"}"#, "evaluations: must be an array, not a string"),
    (r#"{"evaluations":{}}"#, "evaluations: must be an array, not an object"),
    (r#"{"evaluations":{"0":{}}}"#, "evaluations: must be an array, not an object"),
    (r#"{"evaluations":[{}],"options":7}"#, "options: must be an object, not a number"),
    (r#"{"evaluations":[{}],"options":false}"#, "options: must be an object, not a boolean"),
    (r#"{"evaluations":[{}],"options":"execute_all"}"#, "options: must be an object, not a string"),
    (r#"{"evaluations":[{}],"options":["execute_all"]}"#, "options: must be an object, not an array"),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":"unknown"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":""}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":"EXECUTE_ALL"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":"execute-all"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":" execute_all"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":"deny_on_first_permit"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluation_semantics":"unknown"}}"#, SEMANTICS),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":7}}"#, "options.evaluations_semantic: must be a string, not a number"),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":true}}"#, "options.evaluations_semantic: must be a string, not a boolean"),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":[]}}"#, "options.evaluations_semantic: must be a string, not an array"),
    (r#"{"evaluations":[{}],"options":{"evaluations_semantic":{}}}"#, "options.evaluations_semantic: must be a string, not an object"),
    (r#"{"evaluations":[{}],"subject":"User"}"#, "subject: must be an object, not a string"),
    (r#"{"evaluations":[{}],"subject":[]}"#, "subject: must be an object, not an array"),
    (r#"{"evaluations":[{}],"action":7}"#, "action: must be an object, not a number"),
    (r#"{"evaluations":[{}],"action":"read"}"#, "action: must be an object, not a string"),
    (r#"{"evaluations":[{}],"resource":true}"#, "resource: must be an object, not a boolean"),
    (r#"{"evaluations":[{}],"resource":[{}]}"#, "resource: must be an object, not an array"),
    (r#"{"evaluations":[{}],"context":[]}"#, "context: must be an object, not an array"),
    (r#"{"evaluations":[{}],"context":"now"}"#, "context: must be an object, not a string"),
    (r#"{"evaluations":[]}"#, "subject: required"),
    (r#"{"evaluations":[],"subject":{"type":"User"}}"#, "subject.id: required"),
];

const SEMANTICS: &str =
    "options.evaluations_semantic: must be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`";

#[tokio::test]
async fn a_batch_of_another_shape_is_refused_as_a_whole() {
    let mut table = Vec::new();
    for (body, message) in SHAPES {
        table.push(bad(Ask::post(EVALUATION, *body), 400, *message));
        table.push(bad(Ask::post(EVALUATIONS, *body), 400, *message));
    }
    for (body, message) in BATCHES {
        table.push(bad(Ask::post(EVALUATIONS, *body), 400, *message));
        // Good defaults do not mend it.
        let rest = body.strip_prefix('{').expect("an object");
        if body.contains("\"evaluations\":[{}],\"options\"") || !body.contains("\"evaluations\":[") {
            table.push(bad(Ask::post(EVALUATIONS, format!("{OPEN}{rest}")), 400, *message));
        }
    }
    check(&table).await;
}

/// A batch of so many items.
fn batch(item: &str, items: usize) -> String {
    let items = vec![item; items].join(",");
    format!("{OPEN}\"evaluations\":[{items}]}}")
}

/// The question, padded to this many bytes.
fn padded(bytes: usize) -> Vec<u8> {
    let mut body = QUESTION.as_bytes().to_vec();
    body.resize(bytes, b' ');
    body
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_served_and_one_byte_more_is_refused_and_ends_the_connection() {
    check_served(&[
        Ask::post(EVALUATION, padded(BODY_MAX)),
        Ask::post(EVALUATIONS, padded(BODY_MAX)),
        chunked(EVALUATION, &padded(BODY_MAX), BODY_MAX),
        chunked(EVALUATION, &padded(BODY_MAX), 4_099),
    ])
    .await;

    let announced = |bytes: u64| Ask::post(EVALUATION, "").with("Content-Length", bytes.to_string());
    let message = "the body has more than 1048576 bytes";
    let table: Vec<Bad> = [
        Ask::post(EVALUATION, padded(BODY_MAX + 1)),
        Ask::post(EVALUATIONS, padded(BODY_MAX + 1)),
        Ask::post(EVALUATION, padded(2 * BODY_MAX)),
        announced(BODY_MAX as u64 + 1),
        announced(100 << 20),
        announced(1 << 40),
        chunked(EVALUATION, &padded(BODY_MAX + 1), BODY_MAX + 1),
        chunked(EVALUATIONS, &padded(BODY_MAX + 1), 4_099),
        chunked(EVALUATION, &padded(2 * BODY_MAX), 64 << 10),
    ]
    .into_iter()
    // That the connection ends is for the other side to see to.
    .map(|ask| bad(ask.without("Connection"), 413, message))
    .collect();
    for answer in check(&table).await {
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

/// A request whose body comes in chunks.
pub(crate) fn chunked(path: &str, body: &[u8], chunk: usize) -> Ask {
    let mut chunks = Vec::new();
    for piece in body.chunks(chunk) {
        chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    Ask::post(path, chunks).with("Transfer-Encoding", "chunked")
}

/// Bodies whose chunks two readers could cut at two places.
const CHUNKS: &[&str] = &[
    "5;a=b\r\nhello\r\n0\r\n\r\n",
    "2\r\n{}\r\n0;a=b\r\n\r\n",
    "zz\r\n",
    "-1\r\n",
    "+2\r\n{}\r\n0\r\n\r\n",
    "0x2\r\n{}\r\n0\r\n\r\n",
    " 2\r\n{}\r\n0\r\n\r\n",
    "2 \r\n{}\r\n0\r\n\r\n",
    "\r\n2\r\n{}\r\n0\r\n\r\n",
    "2\n{}\n0\n\n",
    "1\r\n{}\r\n0\r\n\r\n",
    "2\r\n{}0\r\n\r\n",
    "10000000000000000\r\n",
];

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_and_ends_the_connection() {
    let message = "the body broke off";
    let mut table = Vec::new();
    for body in CHUNKS {
        for path in [EVALUATION, EVALUATIONS] {
            let ask = Ask::post(path, *body).with("Transfer-Encoding", "chunked");
            table.push(bad(ask.without("Connection"), 400, message));
        }
    }
    for answer in check(&table).await {
        assert_eq!(answer.header("connection"), Some("close"));
    }

    let sidecar = Sidecar::built_in().await;
    for sent in [0, 1, QUESTION.len() - 1] {
        let ask = Ask::post(EVALUATION, &QUESTION[..sent]).with("Content-Length", QUESTION.len().to_string());
        let mut stream = TcpStream::connect(sidecar.address).await.expect("a connection");
        let request = ask.without("Connection").bytes(sidecar.address.port());
        stream.write_all(&request).await.expect("a part of a request");
        stream.shutdown().await.expect("the end of it");
        let answer = only(read_answers(&mut stream).await, "half a request");
        assert_eq!((answer.status.as_u16(), answer.message().as_str()), (400, message));
    }
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_answered_and_a_larger_one_refused() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let answer = client.post(EVALUATIONS, &batch("{}", 1_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let decisions = vec![r#"{"decision":true}"#; 1_000].join(",");
    assert_eq!(answer.text(), format!("{{\"evaluations\":[{decisions}]}}"));

    let table: Vec<Bad> = [
        ("{}", 1_001),
        ("{\"resource\":{\"type\":\"Datastore\",\"id\":\"orders\"}}", 1_001),
        ("7", 1_001),
        ("{}", 65_535),
        ("{}", 65_536),
        ("{}", 65_537),
        ("7", 500_000),
    ]
    .into_iter()
    .map(|(item, items)| {
        let message = format!("evaluations: {items} items, and the limit is 1000; ask in several batches");
        bad(Ask::post(EVALUATIONS, batch(item, items)), 413, message)
    })
    .collect();
    check(&table).await;
}

#[tokio::test]
async fn only_what_says_that_it_is_json_is_read() {
    let asks = |content_types: &[&str]| -> Vec<Ask> {
        let mut asks = Vec::new();
        for path in [EVALUATION, EVALUATIONS] {
            let mut ask = Ask::post(path, QUESTION).without("Content-Type");
            for content_type in content_types {
                ask = ask.with("Content-Type", *content_type);
            }
            asks.push(ask);
        }
        asks
    };
    let mut served = Vec::new();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; profile=\"https://example.com/a;b\"",
        "application/json ; a=b ; c=d",
        "application/json;",
        "Application/JSON",
        "APPLICATION/JSON; CHARSET=UTF-8",
        "  application/json\t",
    ] {
        served.extend(asks(&[content_type]));
    }
    check_served(&served).await;

    let mut table = Vec::new();
    for (content_types, message) in MEDIA_TYPES {
        table.extend(asks(content_types).into_iter().map(|ask| bad(ask, 400, *message)));
    }
    check(&table).await;
}

/// `Content-Type`, once for each header, and what is wrong with it.
const MEDIA_TYPES: &[(&[&str], &str)] = &[
    (&[], "Content-Type: required, and must be application/json"),
    // What a page can send without asking.
    (&["text/plain"], NOT_JSON),
    (&["text/plain; charset=utf-8"], NOT_JSON),
    (&["application/x-www-form-urlencoded"], NOT_JSON),
    (&["multipart/form-data; boundary=application/json"], NOT_JSON),
    // What only looks like it.
    (&["application/jsonx"], NOT_JSON),
    (&["application/json5"], NOT_JSON),
    (&["application/json-patch+json"], NOT_JSON),
    (&["application/problem+json"], NOT_JSON),
    (&["application/vnd.api+json"], NOT_JSON),
    (&["application/x-json"], NOT_JSON),
    (&["xapplication/json"], NOT_JSON),
    (&["text/json"], NOT_JSON),
    (&["application/xml"], NOT_JSON),
    (&["application/octet-stream"], NOT_JSON),
    (&["application/cbor"], NOT_JSON),
    (&["application/"], NOT_JSON),
    (&["application"], NOT_JSON),
    (&["json"], NOT_JSON),
    (&[""], NOT_JSON),
    (&[";"], NOT_JSON),
    (&["*/*"], NOT_JSON),
    (&["application/*"], NOT_JSON),
    (&["application /json"], NOT_JSON),
    (&["application/ json"], NOT_JSON),
    (&["\"application/json\""], NOT_JSON),
    (&["application/json/x"], NOT_JSON),
    (&["application%2fjson"], NOT_JSON),
    (&["applicatiön/json"], NOT_JSON),
    (&["undefined"], NOT_JSON),
    // Two in one.
    (&["application/json, text/plain"], NOT_JSON),
    (&["application/json,application/json"], NOT_JSON),
    (&["text/plain, application/json"], NOT_JSON),
    (&["text/plain; application/json"], NOT_JSON),
    (&["application/json text/plain"], NOT_JSON),
    // Two.
    (&["application/json", "application/json"], "Content-Type: more than one"),
    (&["application/json", "text/plain"], "Content-Type: more than one"),
    (&["text/plain", "application/json"], "Content-Type: more than one"),
    (&["", "application/json"], "Content-Type: more than one"),
];

const NOT_JSON: &str = "Content-Type: must be application/json";

#[tokio::test]
async fn each_route_has_one_method_and_says_which() {
    let mut table = Vec::new();
    let mut allowed = Vec::new();
    for &(own, path) in ROUTES {
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "get", "post",
            "Post", "X",
        ] {
            if method == own {
                continue;
            }
            let ask = Ask {
                method,
                ..Ask::post(path, QUESTION)
            };
            table.push(bad(ask, 405, "…"));
            allowed.push(own);
            table.push(bad(Ask::new(method, path), 405, "…"));
            allowed.push(own);
        }
    }
    for (number, answer) in check(&table).await.iter().enumerate() {
        let ask = &table[number].ask;
        assert_eq!(answer.header("allow"), Some(allowed[number]), "{} {}", ask.method, ask.target);
    }
}

#[tokio::test]
async fn connect_and_requests_to_the_server_as_a_whole_are_refused() {
    let table = [
        bad(
            Ask::new("CONNECT", "127.0.0.1:PORT"),
            405,
            "the method CONNECT is not supported",
        ),
        bad(Ask::new("OPTIONS", "*"), 405, "the method OPTIONS is not supported"),
        bad(Ask::new("CONNECT", "example.com:443"), 421, HOST),
        // A target without a slash is a host.
        bad(Ask::new("GET", "status"), 421, HOST),
        bad(Ask::new("GET", "127.0.0.1:PORT"), 404, NOTHING),
    ];
    for answer in &check(&table).await[..2] {
        assert!(answer.header("allow").is_some());
    }
}

#[tokio::test]
async fn methods_cannot_be_overridden() {
    let mut table = Vec::new();
    for &(method, path) in ROUTES {
        for header in [
            "X-HTTP-Method-Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "x-http-method-override",
        ] {
            for value in ["GET", "POST", "DELETE", ""] {
                table.push(bad(
                    Ask::proper(method, path).with(header, value),
                    405,
                    "methods cannot be overridden",
                ));
            }
        }
    }
    for answer in check(&table).await {
        assert!(answer.header("allow").is_some());
    }
}

const HOST: &str =
    "this Host is none of ours: ask under the address that gatepost listens on, or add the name to `allowed_hosts`";

/// Names that are ours to nobody but a careless reader.
const HOSTS: &[&str] = &[
    // Without our port, or with another.
    "localhost",
    "127.0.0.1",
    "[::1]",
    "localhost:",
    "localhost:0",
    "127.0.0.1:80",
    "127.0.0.1:443",
    "127.0.0.1:0PORT",
    "127.0.0.1:PORT0",
    "127.0.0.1:+PORT",
    "127.0.0.1:-PORT",
    "127.0.0.1:PORT:PORT",
    "localhost:http",
    ":PORT",
    "PORT",
    // The same address in other words.
    "localhost.:PORT",
    "127.0.0.1.:PORT",
    "127.1:PORT",
    "127.0.1:PORT",
    "127.0.0.2:PORT",
    "127.000.000.001:PORT",
    "0177.0.0.1:PORT",
    "0x7f.0.0.1:PORT",
    "0x7f000001:PORT",
    "2130706433:PORT",
    "017700000001:PORT",
    "0.0.0.0:PORT",
    "0:PORT",
    "::1:PORT",
    "[::]:PORT",
    "[::1:PORT",
    "[0:0:0:0:0:0:0:1]:PORT",
    "[0000::0001]:PORT",
    "[::1%25lo]:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "[::FFFF:127.0.0.1]:PORT",
    "[::ffff:7f00:1]:PORT",
    "[127.0.0.1]:PORT",
    "ip6-localhost:PORT",
    "localhost6:PORT",
    "localhost.localdomain:PORT",
    // Names that somebody else owns.
    "evil.com",
    "evil.com:PORT",
    "localhost.evil.com:PORT",
    "127.0.0.1.evil.com:PORT",
    "127.0.0.1.nip.io:PORT",
    "localhost:PORT.evil.com",
    "127.0.0.1:PORT.evil.com",
    "evil.com:127.0.0.1:PORT",
    "169.254.169.254",
    "metadata.google.internal",
    // More than a name and a port.
    "user@localhost:PORT",
    "user:secret@127.0.0.1:PORT",
    "localhost:PORT@evil.com",
    "localhost:PORT#evil.com",
    "evil.com#@localhost:PORT",
    "localhost:PORT/",
    "localhost:PORT/access/v1/evaluation",
    "localhost:PORT?",
    "http://localhost:PORT",
    "//localhost:PORT",
    "localhost\\:PORT",
    "localhost:PORT,localhost:PORT",
    "localhost:PORT, evil.com",
    "localhost:PORT evil.com",
    "localhost:PORT;evil.com",
    "\"localhost:PORT\"",
    // Spaces, escapes and other scripts.
    "",
    "local host:PORT",
    "localhost :PORT",
    "localhost: PORT",
    "localhost\t:PORT",
    "%6cocalhost:PORT",
    "localhost%00:PORT",
    "localhost%2eevil.com:PORT",
    "lоcalhost:PORT",
    "ⓛocalhost:PORT",
    "localhoſt:PORT",
    "１２７.0.0.1:PORT",
    "127。0。0。1:PORT",
    "xn--lcalhost-6xf:PORT",
    "localhost\u{200b}:PORT",
    "*",
    "*:PORT",
    "null",
    "undefined",
    "unix:",
];

#[tokio::test]
async fn a_host_that_is_none_of_ours_is_served_nothing() {
    let mut table = Vec::new();
    for &(method, path) in ROUTES {
        for host in HOSTS {
            let ask = Ask::proper(method, path).without("Host").with("Host", *host);
            table.push(bad(ask, 421, HOST));
        }
    }
    check(&table).await;
}

#[tokio::test]
async fn our_own_names_are_answered_to_in_any_case() {
    let mut asks = Vec::new();
    for &(method, path) in ROUTES {
        for host in [
            "127.0.0.1:PORT",
            "localhost:PORT",
            "LocalHost:PORT",
            "[::1]:PORT",
            " 127.0.0.1:PORT\t",
        ] {
            asks.push(Ask::proper(method, path).without("Host").with("Host", host));
        }
        for origin in ["http://127.0.0.1:PORT", "http://LOCALHOST:PORT", "http://[::1]:PORT"] {
            asks.push(Ask::proper(method, format!("{origin}{path}")));
        }
    }
    check_served(&asks).await;
}

/// What stands before the path in a request for an absolute address, under a good `Host`.
const ORIGINS: &[&str] = &[
    "http://evil.com",
    "http://evil.com:PORT",
    "https://evil.com",
    "http://localhost",
    "http://localhost.:PORT",
    "http://127.1:PORT",
    "http://2130706433:PORT",
    "http://0.0.0.0:PORT",
    "http://[::ffff:127.0.0.1]:PORT",
    "http://user@127.0.0.1:PORT",
    "http://user:secret@localhost:PORT",
    "http://localhost:PORT@evil.com",
    "http://evil.com:80",
];

#[tokio::test]
async fn an_absolute_address_has_to_be_ours_and_so_has_the_host_beside_it() {
    let mut table = Vec::new();
    for &(method, path) in ROUTES {
        for origin in ORIGINS {
            table.push(bad(Ask::proper(method, format!("{origin}{path}")), 421, HOST));
        }
        let ours = Ask::proper(method, format!("http://127.0.0.1:PORT{path}")).without("Host");
        for host in ["evil.com", "localhost", ""] {
            table.push(bad(ours.clone().with("Host", host), 421, HOST));
        }
        table.push(bad(ours, 400, "the Host header is missing"));
    }
    check(&table).await;
}

#[tokio::test]
async fn the_host_is_named_exactly_once() {
    let mut table = Vec::new();
    for &(method, path) in ROUTES {
        let ask = Ask::proper(method, path);
        table.push(bad(ask.clone().without("Host"), 400, "the Host header is missing"));
        // Names that are often trusted in its place, and must not be.
        for header in ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host"] {
            let ask = ask.clone().without("Host").with(header, "127.0.0.1:PORT");
            table.push(bad(ask, 400, "the Host header is missing"));
        }
        for second in ["127.0.0.1:PORT", "localhost:PORT", "evil.com", ""] {
            table.push(bad(ask.clone().with("Host", second), 400, "more than one Host header"));
            let first = ask.clone().without("Host").with("Host", second);
            table.push(bad(first.with("hOsT", "127.0.0.1:PORT"), 400, "more than one Host header"));
        }
    }
    check(&table).await;
}

#[tokio::test]
async fn no_browser_is_served_and_none_is_invited() {
    let mut table = Vec::new();
    for &(method, path) in ROUTES {
        let mut push = |ask: Ask, header: &str| {
            let message = format!("requests from browsers are refused, and only browsers send {header}");
            table.push(bad(ask, 403, message));
        };
        for origin in [
            "http://127.0.0.1:PORT",
            "http://localhost:PORT",
            "https://evil.com",
            "null",
            "",
        ] {
            push(Ask::proper(method, path).with("Origin", origin), "Origin");
        }
        for site in ["same-origin", "same-site", "cross-site", "none", ""] {
            push(Ask::proper(method, path).with("Sec-Fetch-Site", site), "Sec-Fetch-Site");
        }
        // A question before the question, as a browser asks it.
        let preflight = Ask::new("OPTIONS", path)
            .with("Origin", "https://evil.com")
            .with("Access-Control-Request-Method", method)
            .with("Access-Control-Request-Headers", "content-type")
            .with("Access-Control-Request-Private-Network", "true");
        push(preflight, "Origin");
        let simple = Ask::proper(method, path).without("Content-Type");
        let simple = simple.with("Content-Type", "text/plain").with("Origin", "https://evil.com");
        push(simple, "Origin");
    }
    for path in ["/", "/nowhere"] {
        let message = "requests from browsers are refused, and only browsers send Origin";
        table.push(bad(Ask::new("GET", path).with("Origin", "https://evil.com"), 403, message));
    }
    check(&table).await;
}

const NOTHING: &str = "there is nothing here: see /.well-known/authzen-configuration for what there is";

/// Paths that lead nowhere, though some readers would take them for a route.
const NOWHERE: &[(&str, &str)] = &[
    ("POST", "/access/v1/evaluation/"),
    ("POST", "/access/v1/evaluation//"),
    ("POST", "//access/v1/evaluation"),
    ("POST", "/access//v1/evaluation"),
    ("POST", "/access/v1//evaluation"),
    ("POST", "/./access/v1/evaluation"),
    ("POST", "/access/v1/./evaluation"),
    ("POST", "/access/v1/evaluation/."),
    ("POST", "/access/v1/search/../evaluation"),
    ("POST", "/access/v1/evaluations/../evaluation"),
    ("POST", "/../access/v1/evaluation"),
    ("POST", "/access/v1/%2e/evaluation"),
    ("POST", "/access/v1/x/%2e%2e/evaluation"),
    ("POST", "/access/v1/x/%252e%252e/evaluation"),
    ("POST", "/access/v1/evaluatio%6e"),
    ("POST", "/access/v1/evaluation%73"),
    ("POST", "/%61ccess/v1/evaluation"),
    ("POST", "/access%2fv1%2fevaluation"),
    ("POST", "/access%2Fv1%2Fevaluation"),
    ("POST", "/access/v1/evaluation%2f"),
    ("POST", "/access/v1/evaluation%00"),
    ("POST", "/access/v1/evaluation%20"),
    ("POST", "/access/v1/evaluation%0d%0a"),
    ("POST", "/access/v1/evaluation%3fx=1"),
    ("POST", "/access/v1/evaluation%23x"),
    ("POST", "/access/v1/evaluation%"),
    ("POST", "/access/v1/evaluation;x"),
    ("POST", "/access/v1/evaluation;x=1"),
    ("POST", "/access;x/v1/evaluation"),
    ("POST", "/access/v1/evaluation.json"),
    ("POST", "/access/v1/evaluation&x=1"),
    ("POST", "/access/v1/evaluation:batch"),
    ("POST", "/access/v1/evaluation*"),
    ("POST", "/access\\v1\\evaluation"),
    ("POST", "/access/v1/evaluation\\"),
    ("POST", "/access/v1/Evaluation"),
    ("POST", "/Access/v1/evaluation"),
    ("POST", "/access/V1/evaluation"),
    ("POST", "/ACCESS/V1/EVALUATION"),
    ("POST", "/access/v1/évaluation"),
    ("POST", "/access/v1/evaluatıon"),
    ("POST", "/access/v1/evaluation\u{200b}"),
    ("POST", "/access/v1/evaluation/evaluation"),
    ("POST", "/access/v1/evaluations/1"),
    ("POST", "/access/v1/evaluations/"),
    ("POST", "/access/v1/evaluationss"),
    ("POST", "/access/v1/evaluatio"),
    ("POST", "/access/v2/evaluation"),
    ("POST", "/access/v1"),
    ("POST", "/access/evaluation"),
    ("POST", "/v1/evaluation"),
    ("POST", "/evaluation"),
    ("POST", "/tenant/access/v1/evaluation"),
    ("POST", "/?/access/v1/evaluation"),
    ("POST", "/?path=/access/v1/evaluation"),
    ("POST", "/access/v1/search"),
    ("POST", "/access/v1/search/"),
    ("POST", "/access/v1/search/subject/"),
    ("POST", "/access/v1/search/subjects"),
    ("POST", "/access/v1/search/Resource"),
    ("POST", "/access/v1/search/action%73"),
    ("POST", "/access/v1/search/principal"),
    ("POST", "/v1/data"),
    ("POST", "/v1/is_authorized"),
    ("PUT", "/v1/policies"),
    ("DELETE", "/v1/data"),
    ("PATCH", "/"),
    ("GET", "/"),
    ("GET", "/?"),
    ("GET", "/health"),
    ("GET", "/healthz/"),
    ("GET", "//healthz"),
    ("GET", "/Healthz"),
    ("GET", "/healthz;x"),
    ("GET", "/health%7a"),
    ("GET", "/livez"),
    ("GET", "/readyz/"),
    ("GET", "/READYZ"),
    ("GET", "/status/"),
    ("GET", "/status.json"),
    ("GET", "/status%2f"),
    ("GET", "/./status"),
    ("GET", "/status/../status"),
    ("GET", "/.well-known"),
    ("GET", "/.well-known/"),
    ("GET", "/.well-known/authzen-configuration/"),
    ("GET", "/.well-known/authzen-configuration/tenant"),
    ("GET", "/.well-known/authzen-configuration.json"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/%2ewell-known/authzen-configuration"),
    ("GET", "/metrics"),
    ("GET", "/debug/pprof/"),
    ("GET", "/debug/vars"),
    ("GET", "/env"),
    ("GET", "/config"),
    ("GET", "/gatepost.toml"),
    ("GET", "/admin"),
    ("GET", "/policies/roles.cedar"),
    ("GET", "/entities/people.yaml"),
    ("GET", "/../../etc/passwd"),
    ("GET", "/..%2f..%2fetc%2fpasswd"),
    ("GET", "/%"),
    ("GET", "/%zz"),
    ("GET", "/%ff"),
    ("GET", "/{path}"),
    ("GET", "/favicon.ico"),
];

#[tokio::test]
async fn what_is_not_exactly_a_route_is_not_found() {
    let mut table: Vec<Bad> = NOWHERE
        .iter()
        .map(|&(method, path)| bad(Ask::proper(method, path), 404, NOTHING))
        .collect();
    table.push(bad(Ask::new("GET", format!("/{}", "a".repeat(8_000))), 404, NOTHING));
    table.push(bad(
        Ask::post(format!("{EVALUATION}{}", "/".repeat(8_000)), QUESTION),
        404,
        NOTHING,
    ));
    check(&table).await;
}

#[tokio::test]
async fn a_query_has_no_say() {
    let mut asks = Vec::new();
    for query in [
        "?",
        "?x=1",
        "?decision=false",
        "?subject.id=bo@example.com",
        "?_method=DELETE",
        "?%00",
        "??",
        "?/",
    ] {
        asks.extend(ROUTES.iter().map(|&(method, path)| Ask::proper(method, format!("{path}{query}"))));
    }
    check_served(&asks).await;
}

/// A request with headers that are no business of ours.
fn with_headers(headers: &str) -> Vec<u8> {
    let mut bytes = Ask::post(EVALUATION, QUESTION).bytes(0);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 2;
    bytes.splice(end..end, headers.bytes()).for_each(drop);
    bytes
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let many = |headers: usize| (0..headers).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>();
    let long = |bytes: usize| format!("X-Long: {}\r\n", "a".repeat(bytes));
    let wide = |headers: usize, bytes: usize| {
        (0..headers).map(|n| format!("X-{n}: {}\r\n", "a".repeat(bytes))).collect::<String>()
    };
    let target = |bytes: usize| Ask::new("GET", format!("/{}", "a".repeat(bytes))).bytes(0);
    check_heads(&[
        (431, with_headers(&many(61))),
        (431, with_headers(&many(100))),
        (431, with_headers(&many(1_000))),
        (431, with_headers(&many(10_000))),
        (431, with_headers(&long((16 << 10) + 1))),
        (431, with_headers(&long((64 << 10) + 1))),
        (431, with_headers(&long(1 << 20))),
        (431, with_headers(&wide(20, 1_000))),
        (431, with_headers(&wide(40, 2_000))),
        (431, target(17 << 10)),
        (431, target(70 << 10)),
    ])
    .await;

    // With `Host`, `Connection`, `Content-Type`, `X-Request-ID` and `Content-Length` there are 64.
    let full = (0..59).fold(Ask::post(EVALUATION, QUESTION), |ask, _| ask.with("X-Filler", "x"));
    check_served(&[
        full,
        Ask::post(EVALUATION, QUESTION).with("X-Long", "a".repeat(15 << 10)),
    ])
    .await;
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let rest = "Host: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let line = |line: &str| format!("{line}{rest}").into_bytes();
    let raw = |headers: &str| format!("POST {EVALUATION} HTTP/1.1\r\n{headers}{rest}{QUESTION}").into_bytes();
    let table: Vec<(u16, Vec<u8>)> = [
        line("GET /status\r\n"),
        line("GET /status HTTP/1.1 x\r\n"),
        line("GET /status HTTP/2.0\r\n"),
        line("GET /status HTTP/0.9\r\n"),
        line("GET /status HTTPS/1.1\r\n"),
        line("GET /status http/1.1\r\n"),
        line("GET  /status HTTP/1.1\r\n"),
        line("GET\t/status HTTP/1.1\r\n"),
        line("GET /sta\0tus HTTP/1.1\r\n"),
        line("G@T /status HTTP/1.1\r\n"),
        line(" GET /status HTTP/1.1\r\n"),
        line("GET /status HTTP/1.1\n"),
        raw("Host : 127.0.0.1\r\n"),
        raw(" Host: 127.0.0.1\r\n"),
        raw("X: a\r\n b\r\n"),
        raw("X: a\0b\r\n"),
        raw("X: a\rb\r\n"),
        raw("X: a\nY: b\r\n"),
        raw("X\0: a\r\n"),
        raw("X Y: a\r\n"),
        raw("Ü: a\r\n"),
        raw(": a\r\n"),
        raw("X\r\n"),
        raw("Content-Length: -1\r\n"),
        raw("Content-Length: +1\r\n"),
        raw("Content-Length: 0x1\r\n"),
        raw("Content-Length: 1, 1\r\n"),
        raw("Content-Length:\r\n"),
        raw("Content-Length: 1\r\nContent-Length: 1\r\n"),
        raw("Content-Length: 1\r\ncontent-length: 2\r\n"),
        raw("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        raw("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
        raw("Transfer-Encoding: gzip, chunked\r\n"),
        raw("Transfer-Encoding: identity\r\n"),
        raw("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        raw("Transfer-Encoding : chunked\r\n"),
    ]
    .into_iter()
    .map(|request| (400, request))
    .collect();
    check_heads(&table).await;
}

/// Chance that is the same everywhere (SplitMix64).
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).expect("a small number")
    }
}

/// Bodies that are answered with 200, to be changed.
const VALID: &[&str] = &[
    QUESTION,
    r#"{"subject":{"type":"User","id":"ana@example.com","properties":{"role":"Admin","ip":"::1"}},"action":{"name":"assignTeams","properties":{"a":[1,2.5,-3e2,true,null]}},"resource":{"type":"User","id":"carla@example.com"},"context":{"teams":[{"type":"Team","id":"finance"},{"__entity":{"type":"team","id":"sales"}}]}}"#,
    r#"{"subject":{"type":"user","id":"ca\u0072la@example.com"},"action":{"name":"Action::\"read\""},"resource":{"type":"Datastore","id":"brand-new","properties":{"readers":[{"type":"Team","id":"finance"}],"writers":[],"name":"\ud83d\ude00"}},"context":null}"#,
    r#"{"subject":{"type":"User","id":"dev@example.com"},"action":{"name":"write"},"options":{"evaluations_semantic":"permit_on_first_permit"},"evaluations":[{"resource":{"type":"Datastore","id":"inventory"}},{"resource":{"type":"Datastore","id":"orders"},"context":{"time":"2026-01-31T12:00:00Z"}},{"subject":{"type":"ServiceUser","id":"nightly-scan"}}]}"#,
    r#"{"evaluations":[]}"#,
];

/// What is put into them.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"null",
    b"-0",
    b"1e999",
    b"9223372036854775808",
    b"\\u0000",
    b"\\ud800",
    b"\"subject\":7,",
    b"\"type\":\"Team\",",
    b"\"context\":{},",
    b"\"evaluations\":[{},[]],",
    b"\"__entity\":{},",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

fn changed(chance: &mut Chance) -> Vec<u8> {
    let mut body = VALID[chance.below(VALID.len())].as_bytes().to_vec();
    for _ in 0..=chance.below(4) {
        let from = chance.below(body.len() + 1);
        let to = from + chance.below((body.len() - from).min(32) + 1);
        match chance.below(8) {
            0 => body.truncate(from.max(1)),
            1 => body.drain(from..to).for_each(drop),
            2 => body.insert(from, chance.draw() as u8),
            3 if from < body.len() => body[from] ^= 1_u8 << chance.below(8),
            4 => {
                let twice = body[from..to].to_vec();
                body.splice(to..to, twice).for_each(drop);
            }
            5 => {
                let other = VALID[chance.below(VALID.len())].as_bytes();
                let start = chance.below(other.len());
                let end = start + chance.below(other.len() - start).min(64);
                body.splice(from..to, other[start..end].iter().copied()).for_each(drop);
            }
            _ => {
                let token = TOKENS[chance.below(TOKENS.len())];
                body.splice(from..to, token.iter().copied()).for_each(drop);
            }
        }
    }
    body
}

#[tokio::test]
async fn bodies_changed_at_random_are_answered_or_refused_and_break_nothing() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let mut chance = Chance(0x6a7e_9057);
    let (mut answered, mut refused) = (0, 0);
    for round in 0..rounds(4_000) {
        let body = changed(&mut chance);
        let shown = format!("round {round}: {}", String::from_utf8_lossy(&body));
        let path = [EVALUATION, EVALUATIONS][round % 2];
        let headers = [("content-type", "application/json"), ("x-request-id", "changed")];
        let answer = client.try_send("POST", path, &headers, &body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {shown}"));
        assert_eq!(answer.header("x-request-id"), Some("changed"), "{shown}");
        match answer.status.as_u16() {
            200 => {
                answered += 1;
                // A reader that is less strict than ours must at least have taken it.
                let read: Result<Value, _> = serde_json::from_slice(&body);
                assert!(read.is_ok_and(|body| body.is_object()), "{shown}\n{}", answer.text());
                let said = answer.json();
                assert!(
                    said["decision"].is_boolean() != said["evaluations"].is_array(),
                    "{shown}\n{said}"
                );
            }
            status @ (400 | 413) => {
                refused += 1;
                let whole = json!({ "error": { "status": status, "message": answer.message() } });
                assert_eq!(answer.json(), whole, "{shown}");
                assert!(!answer.message().is_empty(), "{shown}");
            }
            status => panic!("{status} to {shown}"),
        }
    }
    let requests = requests(&sidecar).await;
    assert_eq!(requests["panics"], 0, "{requests}");
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused");
}

/// An object in which the name `twice` occurs twice, this many levels down.
fn twice(chance: &mut Chance, levels: usize) -> String {
    const SPELLINGS: [&str; 4] = ["twice", "\\u0074wice", "twic\\u0065", "t\\u0077i\\u0063e"];
    if levels > 0 {
        let inner = twice(chance, levels - 1);
        return match chance.below(3) {
            0 => format!("{{\"a\":1,\"inner\":{inner},\"b\":[]}}"),
            1 => format!("[null,{inner},{{}}]"),
            _ => format!("{{\"twic\":{{\"twice\":0}},\"\":{inner}}}"),
        };
    }
    let mut members: Vec<String> = (0..chance.below(24)).map(|n| format!("\"m{n}\":{n}")).collect();
    for _ in 0..2 {
        let spelling = SPELLINGS[chance.below(SPELLINGS.len())];
        members.insert(chance.below(members.len() + 1), format!("\"{spelling}\":0"));
    }
    format!("{{{}}}", members.join(","))
}

#[tokio::test]
async fn a_name_said_twice_is_refused_wherever_it_stands_and_however_it_is_spelled() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let mut chance = Chance(0x7717_ce00);
    for _ in 0..rounds(2_000) {
        let levels = chance.below(24);
        let object = twice(&mut chance, levels);
        let body = match chance.below(5) {
            0 => format!("{OPEN}\"context\":{{\"a\":{object}}}}}"),
            1 => format!("{OPEN}\"unknown\":{object}}}"),
            2 => format!("{OPEN}\"evaluations\":[{{}},{{\"context\":{{\"a\":{object}}}}}]}}"),
            3 => format!("{{\"subject\":{{\"type\":\"User\",\"id\":\"a\",\"properties\":{{\"a\":{object}}}}}}}"),
            _ => object,
        };
        let path = [EVALUATION, EVALUATIONS][chance.below(2)];
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let message = answer.message();
        assert!(message.contains("the member name `twice` occurs twice"), "{message}: {body}");
    }
    assert_eq!(requests(&sidecar).await["panics"], 0);
}

#[tokio::test]
async fn a_refused_question_does_not_end_the_connection() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let json = ("content-type", "application/json");
    let overriding = ("x-http-method-override", "PUT");
    let refusals = [
        ("POST", EVALUATION, vec![json], "{", 400),
        ("POST", EVALUATION, vec![json], "{}", 400),
        ("POST", EVALUATION, vec![], QUESTION, 400),
        ("POST", EVALUATION, vec![json, overriding], QUESTION, 405),
        ("PUT", EVALUATION, vec![json], QUESTION, 405),
        ("POST", "/nowhere", vec![json], QUESTION, 404),
        ("POST", EVALUATION, vec![json, ("origin", "null")], QUESTION, 403),
        ("POST", EVALUATION, vec![json, ("host", "evil.com")], QUESTION, 421),
        ("GET", EVALUATION, vec![], "", 405),
    ];
    for (method, path, headers, body, status) in refusals {
        let answer = client.send(method, path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        let answer = client.post(EVALUATION, QUESTION).await;
        assert_eq!(answer.text(), r#"{"decision":true}"#, "after {method} {path} {body}");
    }
    let panics = requests(&sidecar).await["panics"].clone();
    assert_eq!(panics, 0);
}
