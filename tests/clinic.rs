//! Somebody else's schema: namespaces, every kind of value, templates and links, served by the same binary.

use crate::clinic_cases::{BAD, CASES};
use crate::support::{Client, EVALUATION, Process, repository};

#[tokio::test]
async fn another_schema_is_served_by_exact_and_by_short_names() {
    let process = Process::serve(&repository("tests/roots/clinic"), &[]);
    let mut client = Client::connect(process.address).await;
    for case in CASES {
        let answer = client.post(EVALUATION, case.request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, format!("{{\"decision\":{}}}", case.allow).as_str()),
            "{}: {}",
            case.why,
            case.request
        );
    }
    for (request, message) in BAD {
        let answer = client.post(EVALUATION, request).await;
        assert_eq!(answer.status, 400, "{request}: {}", answer.text());
        assert!(answer.message().contains(message), "{request}: {}", answer.message());
    }
}
