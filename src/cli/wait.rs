//! `gatepost wait`

use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{FAILURE, SUCCESS, USAGE, WaitArgs, print, print_error};
use crate::serve::Address;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// For one answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

pub(super) fn run(args: &WaitArgs) -> u8 {
    let address: Address = match args.address.parse() {
        Ok(address) => address,
        Err(message) => {
            print_error(&message);
            return USAGE;
        }
    };
    let Ok(timeout) = Duration::try_from_secs_f64(args.timeout) else {
        print_error(&format!("--timeout: `{}` is no number of seconds", args.timeout));
        return USAGE;
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("cannot start: {error}"));
            return FAILURE;
        }
    };
    match runtime.block_on(wait(&address, timeout)) {
        Ok(()) => {
            print(&format!("{address} is ready"));
            SUCCESS
        }
        Err(reason) => {
            print_error(&format!("{address} is not ready: {reason}"));
            FAILURE
        }
    }
}

async fn wait(address: &Address, timeout: Duration) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let reason = match tokio::time::timeout(ANSWER_MAX, ask(address)).await {
            Ok(Ok(StatusCode::OK)) => return Ok(()),
            Ok(Ok(StatusCode::SERVICE_UNAVAILABLE)) => "it runs, and nothing has loaded yet (see /status)".to_owned(),
            Ok(Ok(status)) => format!("it answers {status}: is this gatepost?"),
            Ok(Err(error)) => error,
            Err(_) => "it does not answer".to_owned(),
        };
        if begun.elapsed() + PAUSE > timeout {
            return Err(reason);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(address: &Address) -> Result<StatusCode, String> {
    match address {
        Address::Tcp(socket) => {
            let stream = tokio::net::TcpStream::connect(socket).await;
            ask_on(stream.map_err(|error| error.to_string())?, &socket.to_string()).await
        }
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await;
            ask_on(stream.map_err(|error| error.to_string())?, "localhost").await
        }
    }
}

async fn ask_on<S>(stream: S, host: &str) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/readyz")
        .header(header::HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await;
    connection.abort();
    answer.map(|answer| answer.status()).map_err(|error| error.to_string())
}
