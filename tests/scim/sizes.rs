//! What is too large, too many or too deep is refused with the right status, and costs about what it costs to send and to
//! read it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::sync::{Provider, Sync, USER};
use crate::support::PATIENCE;

/// How many times that anything may take, on a busy machine. What is quadratic in its bytes takes hundreds of times that.
const RATIO_MAX: f64 = 50.0;

struct Request {
    name: &'static str,
    method: &'static str,
    path: String,
    body: String,
    status: u16,
}

fn requests(user: &str) -> Vec<Request> {
    let nested = |open: &str, inner: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        format!("{open}{inner}{close}")
    };
    let patch = |operations: &str| ("PATCH", format!("/Users/{user}"), format!("{{\"Operations\":[{operations}]}}"));
    let create = |body: String| ("POST", "/Users".to_owned(), body);
    let search = |filter: &str| ("POST", "/Users/.search".to_owned(), json!({"filter": filter}).to_string());
    let title = r#"{"op":"add","path":"title","value":"x"}"#;
    let within = json!({"op": "remove", "path": format!("emails[{}]", nested("(", "type pr", ")"))}).to_string();
    let members: Vec<String> = (0..100_000).map(|number| format!("\"m{number}\":{number}")).collect();
    let roles: Vec<Value> = (0..1_000).map(|number| json!({"value": format!("r{number}")})).collect();
    let add = json!({"op": "add", "path": "roles", "value": roles}).to_string();
    let remove = json!({"op": "remove", "path": "roles", "value": roles[1..]}).to_string();
    let cases = [
        ("many operations", patch(&vec![title; 100_000].join(",")), 413),
        ("deep lists", patch(&nested("[", "1", "]")), 400),
        ("deep objects", create(nested("{\"a\":", "1", "}")), 400),
        ("deep parentheses", search(&nested("(", "title pr", ")")), 400),
        ("deep negations", search(&nested("not (", "title pr", ")")), 400),
        ("deep parentheses in a path", patch(&within), 400),
        ("many ands", search(&vec!["title pr"; 1_000].join(" and ")), 400),
        ("many members", create(format!("{{{}}}", members.join(","))), 400),
        ("many values that are there", patch(&[add.as_str(); 10].join(",")), 200),
        ("many values that go", patch(&[remove.as_str(); 10].join(",")), 200),
    ];
    let request = |(name, (method, path, body), status)| Request {
        name,
        method,
        path,
        body,
        status,
    };
    cases.into_iter().map(request).collect()
}

/// The shortest time of five in which a request is answered with this status.
async fn time(provider: &mut Provider, request: &Request, media_type: &str, status: u16) -> Duration {
    let authorization = format!("Bearer {}", provider.token);
    let headers = [("authorization", authorization.as_str()), ("content-type", media_type)];
    let path = format!("/scim/v2{}", request.path);
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = provider.client.send(request.method, &path, &headers, request.body.as_bytes()).await;
        shortest = shortest.min(begun.elapsed());
        assert_eq!(answer.status, status, "{}: {}", request.name, answer.text());
    }
    shortest
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_costs_what_it_costs_to_send_and_to_read_it() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let user = provider.user("a@example.com").await;
    for request in requests(&user) {
        // As many bytes that nobody looks at, and reading them as JSON once.
        let sent = time(provider, &request, "text/plain", 415).await;
        let begun = Instant::now();
        let _: Result<Value, _> = serde_json::from_str(&request.body);
        let baseline = sent + begun.elapsed();
        let took = time(provider, &request, "application/scim+json", request.status).await;
        let ratio = took.as_secs_f64() / baseline.as_secs_f64();
        println!(
            "{:<28} {:>8} bytes {took:>10.1?}, {ratio:.1} times its baseline",
            request.name,
            request.body.len()
        );
        assert!(ratio < RATIO_MAX, "{}: {took:?}, {ratio:.0} times {baseline:?}", request.name);
    }
    let list = provider.get("/Users").await;
    assert_eq!((&list["totalResults"], list["Resources"][0].get("title")), (&json!(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_too_large_is_refused_before_any_of_it_came() {
    let sync = Sync::start().await;
    for method in ["POST /scim/v2/Users", "PATCH /scim/v2/Groups/x", "PUT /scim/v2/Users/x"] {
        let mut stream = BufReader::new(TcpStream::connect(sync.admin_address()).await.expect("a connection"));
        let head = format!(
            "{method} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n",
            sync.admin_address(),
            sync.token,
            10 << 20
        );
        stream.write_all(head.as_bytes()).await.expect("a head that is sent");
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await;
        read.expect("an answer in time").expect("an answer");
        assert!(line.starts_with("HTTP/1.1 413 "), "{method}: {line}");
    }
}

/// Twenty people with many addresses, and a filter that looks at each of these again and again.
async fn with_a_hard_filter(provider: &mut Provider) -> String {
    for user in 0..10 {
        let emails: Vec<Value> =
            (0..200).map(|number| json!({"value": format!("é{user}.{number}@example.com")})).collect();
        let body = json!({"schemas": [USER], "userName": format!("u{user}@example.com"), "emails": emails});
        provider.ask("POST", "/Users", &body, 201).await;
    }
    let tests: Vec<String> = (0..100).map(|number| format!("emails.value co \"É.{number}.\"")).collect();
    json!({"filter": tests.join(" or ")}).to_string()
}

#[tokio::test]
async fn a_hard_filter_holds_no_decision_up() {
    // One thread has to do for all.
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let body = with_a_hard_filter(provider).await;
    let begun = Instant::now();
    assert_eq!(provider.send("POST", "/Users/.search", &body).await.json()["totalResults"], 0);
    let alone = begun.elapsed();
    // Not before: a connection that asks nothing for some seconds is closed.
    let mut client = sync.sidecar.client().await;
    let mut decided = 0;
    let filtered = provider.send("POST", "/Users/.search", &body);
    let mut filtered = std::pin::pin!(filtered);
    loop {
        let decision = client.asks(("User", "u1@example.com"), "logIn", ("Platform", "main"));
        tokio::select! {
            biased;
            answer = &mut filtered => {
                assert_eq!(answer.status, 200);
                break;
            }
            allowed = decision => assert!(allowed),
        }
        decided += 1;
    }
    assert!(decided > 20, "{decided} decisions within {alone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_takes_too_long_finds_nobody_and_says_so() {
    let sync = Sync::start_with(|settings| settings.serve.limits.search_time = Duration::from_millis(1)).await;
    let provider = &mut sync.provider().await;
    let body = with_a_hard_filter(provider).await;
    let answer = provider.send("POST", "/Users/.search", &body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["scimType"]),
        (400, &json!("tooMany")),
        "{}",
        answer.text()
    );
    // What an index finds is found.
    let path = "/Users?filter=userName%20eq%20%22u3@example.com%22";
    assert_eq!(provider.get(path).await["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_too_long_for_an_address_goes_into_a_body() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    provider.user("a@example.com").await;
    let tests: Vec<String> = (0..150).map(|number| format!("userName eq \"{number}{}\"", "x".repeat(80))).collect();
    let filter = format!("userName eq \"a@example.com\" or {}", tests.join(" or "));
    let path = format!("/scim/v2/Users?filter={}", filter.replace(' ', "%20").replace('"', "%22"));
    let authorization = format!("Bearer {}", provider.token);
    let mut other = sync.provider().await;
    let answer = other.client.send("GET", &path, &[("authorization", &authorization)], b"").await;
    assert_eq!(answer.status, 431);
    let list = provider.ask("POST", "/Users/.search", &json!({"filter": filter}), 200).await;
    assert_eq!(list["totalResults"], 1);
}
