//! What the tests share: roots in fresh directories, sidecars in this process and in others, and clients.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::app::{self, MODEL, Running, Settings, World};
use gatepost::serve::Address;
use gatepost::store::{Live, Status};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A root in a fresh directory.
pub struct Root {
    directory: tempfile::TempDir,
}

impl Root {
    /// An empty directory.
    pub fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The bundled model.
    pub fn bundled() -> Self {
        Self::with(MODEL)
    }

    /// The smallest root there is: one action, one policy, no entities.
    pub fn tiny(policies: &str) -> Self {
        Self::with(&[
            (
                "schema/tiny.cedarschema",
                "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc };",
            ),
            ("policies/tiny.cedar", policies),
            ("entities/none.json", "[]"),
        ])
    }

    /// Just these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let root = Self::empty();
        for (name, content) in files {
            root.write(name, content);
        }
        root
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file in place, with the directories above it.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("a file")
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("a file to remove");
    }
}

/// Settings for a test: a port that the system chooses.
pub fn settings() -> Settings {
    Settings {
        listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        ..Settings::default()
    }
}

/// A sidecar in this process.
pub struct Sidecar {
    pub running: Running,
    pub address: SocketAddr,
}

impl Sidecar {
    /// Serves a root, and waits until it is live.
    pub async fn serve(root: &Path) -> Self {
        Self::serve_with(root, &settings()).await
    }

    /// The same with other settings.
    pub async fn serve_with(root: &Path, settings: &Settings) -> Self {
        let sidecar = Self::start(World::Root(root.to_owned()), settings).await;
        sidecar.generation(1).await;
        sidecar
    }

    /// The built-in model.
    pub async fn built_in() -> Self {
        Self::start(World::BuiltIn, &settings()).await
    }

    /// Starts without waiting for anything.
    pub async fn start(world: World, settings: &Settings) -> Self {
        let running = app::run(world, settings).await.expect("a sidecar");
        let address = running
            .addresses
            .iter()
            .find_map(|address| match address {
                Address::Tcp(address) => Some(*address),
                Address::Unix(_) => None,
            })
            .unwrap_or(([127, 0, 0, 1], 0).into());
        Self { running, address }
    }

    pub fn live(&self) -> &Arc<Live> {
        &self.running.live
    }

    /// A new connection.
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Waits for a generation of at least this number.
    pub async fn generation(&self, number: u64) -> u64 {
        let mut published = self.live().subscribe();
        let waited = tokio::time::timeout(PATIENCE, published.wait_for(|n| *n >= number)).await;
        match waited {
            Ok(seen) => *seen.expect("a loader"),
            Err(_) => panic!("generation {number} did not come: {:?}", self.live().status()),
        }
    }

    /// The number of the generation that is live.
    pub fn current(&self) -> u64 {
        self.live().current().as_ref().map_or(0, |generation| generation.number)
    }

    /// Waits until loading is in a state.
    pub async fn status(&self, what: &str, reached: impl Fn(&Status) -> bool) -> Status {
        let begun = Instant::now();
        loop {
            let status = self.live().status();
            if reached(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} did not come: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the faults that are pending name this.
    pub async fn refuses(&self, words: &str) -> Status {
        self.status(words, |status| {
            status
                .pending
                .as_ref()
                .is_some_and(|pending| pending.faults.iter().any(|fault| fault.to_string().contains(words)))
        })
        .await
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header"))
    }

    /// `error.message`
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// One keep-alive connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self::on(stream, address.to_string()).await
    }

    pub async fn connect_unix(path: &Path) -> Self {
        let stream = tokio::net::UnixStream::connect(path).await.expect("a connection");
        Self::on(stream, "localhost".to_owned()).await
    }

    async fn on<S>(stream: S, host: String) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { sender, host }
    }

    /// Sends a request with these headers besides `Host`.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    /// The same where the connection may be gone.
    pub async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", &self.host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    /// Posts JSON.
    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes()).await
    }

    /// Asks one question by short or exact names and gives the decision.
    pub async fn asks(&mut self, principal: (&str, &str), action: &str, resource: (&str, &str)) -> bool {
        let answer = self.post(EVALUATION, &question(principal, action, resource)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["decision"].as_bool().expect("a decision")
    }
}

pub const EVALUATION: &str = "/access/v1/evaluation";
pub const EVALUATIONS: &str = "/access/v1/evaluations";

/// The body of an evaluation.
pub fn question(principal: (&str, &str), action: &str, resource: (&str, &str)) -> String {
    serde_json::json!({
        "subject": { "type": principal.0, "id": principal.1 },
        "action": { "name": action },
        "resource": { "type": resource.0, "id": resource.1 },
    })
    .to_string()
}

/// What commands say where they are given no root, and find none.
pub const BUILT_IN: &str = "this directory is no root: this is the model that is built in\n";

/// The binary.
pub fn gatepost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    // What the developer has set is not the test's.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GATEPOST_") {
            command.env_remove(name);
        }
    }
    command
}

/// A sidecar in a process of its own, ended with the test.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    /// What it has printed so far.
    pub greeting: Vec<String>,
}

impl Process {
    /// Starts `gatepost serve ROOT` on a port of the system's choice, and waits until it greets.
    pub fn serve(root: &Path, arguments: &[&str]) -> Self {
        let mut command = gatepost();
        command.arg("serve").arg(root).args(["--listen", "127.0.0.1:0"]).args(arguments);
        Self::spawn(command)
    }

    /// The same for any command that greets with a TCP address.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        // Passed on and not inherited: a process that outlives a broken test must not hold on to the test's output.
        let log = BufReader::new(child.stderr.take().expect("its log"));
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut greeting = Vec::new();
        let id = child.id().to_string();
        let (greeted, waiting) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            // A process that never greets is ended, so that its output ends and the test with it.
            if waiting.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        let address = loop {
            let line = lines.next().expect("it ended without a greeting").expect("a line");
            let place = line.trim().strip_prefix("on ").map(str::to_owned);
            greeting.push(line);
            if let Some(places) = place {
                let tcp = places.split(" and ").find_map(|place| place.parse().ok());
                break tcp.unwrap_or(([127, 0, 0, 1], 0).into());
            }
        };
        drop(greeted);
        // Its output is read to the end, so that it never waits for us.
        std::thread::spawn(move || for _ in lines {});
        Self {
            child,
            address,
            greeting,
        }
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }
}

/// A sidecar in a process of its own with an admin listener, of which all is kept that it says: its log at its most
/// talkative is in a file.
pub struct Traced {
    child: Child,
    /// Of the admin listener.
    pub admin: SocketAddr,
    printed: String,
    rest: std::thread::JoinHandle<String>,
}

impl Traced {
    /// Starts it, and waits until it greets.
    pub fn serve(root: &Path, log: fs::File) -> Self {
        let listen = [
            "--listen",
            "127.0.0.1:0",
            "--set",
            "admin.listen=127.0.0.1:0",
            "--log",
            "trace",
        ];
        let mut child = gatepost()
            .arg("serve")
            .arg(root)
            .args(listen)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut printed = String::new();
        let admin = loop {
            let line = lines.next().expect("it ended without a greeting").expect("a line");
            printed.push_str(&line);
            if let Some((_, address)) = line.split_once("with a token, on ") {
                break address.trim().parse().expect("an address");
            }
        };
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<String>());
        Self {
            child,
            admin,
            printed,
            rest,
        }
    }

    /// Ends it as a service manager does. Says what it has printed.
    pub fn end(mut self) -> String {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill").success());
        self.child.wait().expect("an end");
        self.printed + &self.rest.join().expect("the rest of its output")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers that look random and are the same each time (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// Whether something comes about that does so in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A number of rounds that a variable can raise: `GATEPOST_ROUNDS=10000 cargo test`.
pub fn rounds(usual: usize) -> usize {
    std::env::var("GATEPOST_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(usual)
}

/// A directory of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
