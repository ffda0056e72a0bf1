//! Lists in pages, while nothing changes and while much does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::sync::{Provider, Sync};

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_each_resource_once() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let mut made = BTreeSet::new();
    for number in 0..7 {
        made.insert(provider.user(&format!("u{number}@example.com")).await);
    }
    for (query, start, shown) in [
        ("startIndex=0&count=3", 1, 3),
        ("startIndex=-1&count=3", 1, 3),
        ("startIndex=6&count=3", 6, 2),
        ("startIndex=8", 8, 0),
        ("startIndex=99999999999999999999999", usize::MAX, 0),
        ("count=0", 1, 0),
        ("count=-1", 1, 0),
        ("count=1000000000", 1, 7),
        ("", 1, 7),
    ] {
        let list = provider.get(&format!("/Users?{query}")).await;
        assert_eq!(list["totalResults"], 7, "{query}");
        assert_eq!(
            (&list["itemsPerPage"], list["Resources"].as_array().map(Vec::len)),
            (&json!(shown), Some(shown)),
            "{query}"
        );
        if start != usize::MAX {
            assert_eq!(list["startIndex"], start, "{query}");
        }
    }
    let mut seen = BTreeSet::new();
    for start in [1, 3, 5, 7] {
        let list = provider.get(&format!("/Users?startIndex={start}&count=2&attributes=userName")).await;
        seen.extend(
            list["Resources"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|user| user["id"].as_str().expect("an id").to_owned()),
        );
    }
    assert_eq!(seen, made);
}

/// One page: the ids, in their order.
async fn page(provider: &mut Provider, search: Value) -> Vec<String> {
    let list = provider.ask("POST", "/Users/.search", &search, 200).await;
    let resources = list["Resources"].as_array().expect("a list");
    resources.iter().map(|user| user["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_behind_the_last_id_sees_each_once_whatever_comes_and_goes() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (mut stay, mut doomed, mut seen) = (BTreeSet::new(), Vec::new(), Vec::new());
    for number in 0..40 {
        let id = provider.user(&format!("u{number}@example.com")).await;
        if number % 4 == 0 {
            doomed.push(id);
        } else {
            stay.insert(id);
        }
    }
    for number in 0.. {
        let last = seen.last().cloned().unwrap_or_default();
        let shown = page(provider, json!({"filter": format!("id gt \"{last}\""), "count": 4})).await;
        if shown.is_empty() {
            break;
        }
        assert!(number < 40, "it has no end");
        seen.extend(shown);
        // One comes, at the end, and one goes, anywhere.
        if number < 8 {
            provider.user(&format!("new{number}@example.com")).await;
        }
        if let Some(id) = doomed.pop() {
            provider.ask("DELETE", &format!("/Users/{id}"), &Value::Null, 204).await;
        }
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(seen.is_superset(&stay), "{:?}", stay.difference(&seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_number_have_each_once_while_others_come() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (mut made, mut seen) = (Vec::new(), Vec::new());
    for number in 0..20 {
        made.push(provider.user(&format!("u{number}@example.com")).await);
    }
    for number in 0.. {
        let shown = page(provider, json!({"startIndex": seen.len() + 1, "count": 3})).await;
        if shown.is_empty() {
            break;
        }
        assert!(number < 40, "it has no end");
        seen.extend(shown);
        if number < 5 {
            made.push(provider.user(&format!("new{number}@example.com")).await);
        }
    }
    // Ids are in the order in which they were made, so nobody is pushed behind the end of a page.
    assert_eq!(seen, made);
}
