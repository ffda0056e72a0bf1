//! The load, in a process of its own: connections that ask, wait for the whole answer, and ask again.
//!
//! No HTTP client stands in the way: requests are made beforehand, and of an answer just its length, its status and its
//! decisions are read.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepost::serve::Address;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::distinct;
use super::questions::{QUESTIONS, Question};

/// Questions in the mix; each connection begins with another one.
const MIX: usize = 16;

/// How much longer than planned a load may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// What to do.
#[derive(Serialize, Deserialize)]
pub(crate) struct Task {
    /// The server's address, as gatepost writes addresses.
    pub(crate) address: String,
    /// The server's process, for its processor time.
    pub(crate) process: u32,
    pub(crate) connections: usize,
    pub(crate) asked: Asked,
    pub(crate) warm_up_s: f64,
    pub(crate) measured_s: f64,
}

/// What is asked, over and over.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// A fair sample of questions, one in a request.
    Sample,
    /// Many distinct questions, one in a request.
    Single,
    /// The same distinct questions, so many in a request.
    Batches(usize),
    /// What a file holds: a JSON array of triples, path, body, and how the answer has to end.
    File(PathBuf),
}

/// What was seen between warming up and the end.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Processor time of the server.
    pub(crate) cpu_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Answers with another decision than the model's, since the first request.
    pub(crate) wrong: u64,
}

/// Carries out a task, both it and its outcome as JSON.
pub(crate) fn run(task: &str) {
    let task: Task = serde_json::from_str(task).expect("a task");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let planned = Duration::from_secs_f64(task.warm_up_s + task.measured_s);
    let measured = runtime
        .block_on(async { timeout(planned + PATIENCE, measure(&task)).await })
        .expect("the server stopped answering");
    println!("{}", serde_json::to_string(&measured).expect("JSON"));
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    answered: AtomicU64,
    wrong: AtomicU64,
}

// Phases; 0 is warming up.
const MEASURED: u8 = 1;
const ENDED: u8 = 2;

async fn measure(task: &Task) -> Measured {
    let shared = Arc::new(Shared::default());
    let mut connections = JoinSet::new();
    match task.address.parse::<Address>().expect("an address") {
        Address::Tcp(address) => {
            let requests = requests(&address.to_string(), &task.asked);
            for number in 0..task.connections {
                let stream = TcpStream::connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("no delay");
                connections.spawn(converse(stream, requests.clone(), number, shared.clone()));
            }
        }
        Address::Unix(path) => {
            let requests = requests("localhost", &task.asked);
            for number in 0..task.connections {
                let stream = UnixStream::connect(&path).await.expect("a connection");
                connections.spawn(converse(stream, requests.clone(), number, shared.clone()));
            }
        }
    }
    let look = || {
        let answered = shared.answered.load(Ordering::Relaxed);
        (Instant::now(), answered, cpu_seconds(task.process))
    };
    sleep(Duration::from_secs_f64(task.warm_up_s)).await;
    let before = look();
    shared.phase.store(MEASURED, Ordering::Relaxed);
    sleep(Duration::from_secs_f64(task.measured_s)).await;
    let after = look();
    shared.phase.store(ENDED, Ordering::Relaxed);

    let mut nanos = Vec::new();
    while let Some(own) = connections.join_next().await {
        nanos.append(&mut own.expect("a connection without mishap"));
    }
    nanos.sort_unstable();
    assert!(!nanos.is_empty(), "not one request was answered in time");
    let at = |share: f64| f64::from(nanos[((nanos.len() - 1) as f64 * share) as usize]) / 1e3;
    Measured {
        requests: after.1 - before.1,
        seconds: (after.0 - before.0).as_secs_f64(),
        cpu_s: after.2 - before.2,
        p50_us: at(0.50),
        p99_us: at(0.99),
        wrong: shared.wrong.load(Ordering::Relaxed),
    }
}

/// Asks one question after the other on one connection; gives the nanoseconds that those in the measured time took.
async fn converse<S>(mut stream: S, requests: Arc<[Prepared]>, first: usize, shared: Arc<Shared>) -> Vec<u32>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut nanos = Vec::with_capacity(1 << 14);
    let mut buffer = vec![0; 16 << 10];
    for number in first.. {
        let phase = shared.phase.load(Ordering::Relaxed);
        if phase == ENDED {
            break;
        }
        let prepared = &requests[number % requests.len()];
        let sent = Instant::now();
        stream.write_all(&prepared.bytes).await.expect("a server that takes requests");
        let mut filled = 0;
        let end = loop {
            let read = stream.read(&mut buffer[filled..]).await.expect("a server that answers");
            assert!(read > 0, "the server hung up");
            filled += read;
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match answer_end(&buffer[..filled]) {
                Some(end) if end <= filled => break end,
                _ => {}
            }
        };
        if phase == MEASURED {
            nanos.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
        let answer = &buffer[..end];
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
        if !answer.ends_with(&prepared.ending) {
            shared.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
    nanos
}

/// Where the answer ends that these bytes begin with, once its head is whole.
fn answer_end(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let length = bytes[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        let value = name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())?;
        std::str::from_utf8(value).ok()?.parse::<usize>().ok()
    });
    Some(head + length.expect("an answer that says how long it is"))
}

/// A request as it goes over the wire, and how its answer has to end.
struct Prepared {
    bytes: Vec<u8>,
    ending: Vec<u8>,
}

impl Prepared {
    fn new(host: &str, path: &str, body: &str, ending: String) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self {
            bytes: [&head, body].concat().into_bytes(),
            ending: ending.into_bytes(),
        }
    }

    fn single(host: &str, question: &Value, allow: bool) -> Self {
        Self::new(host, "/access/v1/evaluation", &question.to_string(), format!(":{allow}}}"))
    }

    fn batch(host: &str, questions: &[(Value, bool)]) -> Self {
        let (items, decisions): (Vec<&Value>, Vec<Value>) =
            questions.iter().map(|(question, allow)| (question, json!({ "decision": allow }))).unzip();
        let body = json!({ "evaluations": items }).to_string();
        let answer = json!({ "evaluations": decisions }).to_string();
        Self::new(host, "/access/v1/evaluations", &body, answer)
    }
}

fn requests(host: &str, asked: &Asked) -> Arc<[Prepared]> {
    let single = |(question, allow): &(Value, bool)| Prepared::single(host, question, *allow);
    match asked {
        Asked::Sample => QUESTIONS[..MIX]
            .iter()
            .map(|question| Prepared::single(host, &body(question), question.allow))
            .collect(),
        Asked::Single => distinct::questions().iter().map(single).collect(),
        Asked::File(path) => {
            let text = fs::read_to_string(path).expect("a file of requests");
            let triples: Vec<(String, String, String)> = serde_json::from_str(&text).expect("triples");
            triples
                .into_iter()
                .map(|(path, body, ending)| Prepared::new(host, &path, &body, ending))
                .collect()
        }
        Asked::Batches(items) => distinct::questions()
            .chunks_exact(*items)
            .map(|questions| Prepared::batch(host, questions))
            .collect(),
    }
}

fn body(question: &Question) -> Value {
    let entity = |(name, id): (&str, &str)| json!({ "type": name.to_lowercase(), "id": id });
    let mut body = json!({
        "subject": entity(question.principal),
        "action": { "name": question.action },
        "resource": entity(question.resource),
    });
    if !question.context.is_empty() {
        body["context"] = serde_json::from_str::<Value>(question.context).expect("the context of a question");
    }
    body
}

/// The processor time that a process has used, in user and in system mode.
fn cpu_seconds(process: u32) -> f64 {
    // What the kernel shows is in hundredths of a second on every machine that this is built for.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running server, on Linux");
    // The second field is a name in parentheses and may hold anything; `utime` and `stime` are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number of ticks")).sum::<f64>() / TICKS_PER_SECOND
}
