//! What Okta, Entra and others send, byte for byte, and what they must be answered. A number is that of the row in
//! docs/scim.md.

use serde_json::{Value, json};

use super::sync::{ENTERPRISE, Provider, Sync};

/// Sends a body as it stands, and wants a status.
async fn replay(provider: &mut Provider, method: &str, path: &str, body: &str, status: u16) -> Value {
    let answer = provider.send_with(method, path, &[("user-agent", "Okta SCIM Client 1.0.0")], body).await;
    assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
    if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    }
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn okta_is_answered_as_it_wants() {
    let sync = Sync::start().await;
    let okta = &mut sync.provider().await;
    // 1: nobody has the name.
    let path = "/Users?filter=userName%20eq%20%22test.user%40okta.local%22&startIndex=1&count=100";
    let list = replay(okta, "GET", path, "", 200).await;
    assert_eq!(
        (&list["totalResults"], &list["startIndex"], &list["Resources"]),
        (&json!(0), &json!(1), &json!([]))
    );
    // 2: a user with a password.
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}"#;
    let user = replay(okta, "POST", "/Users", body, 201).await;
    let uid = id(&user);
    assert_eq!(
        (&user["active"], &user["externalId"], &user["locale"]),
        (&json!(true), &json!("00ujl29u0le5T6Aj10h7"), &json!("en-US"))
    );
    assert!(user.get("password").is_none() && user["meta"]["location"].as_str().expect("a place").ends_with(&uid));
    assert!(sync.logs_in("test.user@okta.local").await);
    let again = replay(okta, "POST", "/Users", body, 409).await;
    assert_eq!(again["scimType"], "uniqueness");
    assert!(!sync.written().contains("1mz050nq"));
    // 3: read, then the whole of it back, with another name; later a deactivation.
    let mut whole = replay(okta, "GET", &format!("/Users/{uid}"), "", 200).await;
    whole["name"]["familyName"] = json!("User2");
    whole["groups"] = json!([]);
    let changed = replay(okta, "PUT", &format!("/Users/{uid}"), &whole.to_string(), 200).await;
    assert_eq!(
        (&changed["name"]["familyName"], &changed["id"], &changed["meta"]["created"]),
        (&json!("User2"), &json!(uid), &whole["meta"]["created"])
    );
    whole["active"] = json!(false);
    assert_eq!(
        replay(okta, "PUT", &format!("/Users/{uid}"), &whole.to_string(), 200).await["active"],
        false
    );
    assert!(!sync.logs_in("test.user@okta.local").await);
    whole["active"] = json!(true);
    replay(okta, "PUT", &format!("/Users/{uid}"), &whole.to_string(), 200).await;
    assert!(sync.logs_in("test.user@okta.local").await);
    // 4: a deactivation without a path.
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}"#;
    assert_eq!(
        replay(okta, "PATCH", &format!("/Users/{uid}"), body, 200).await["active"],
        false
    );
    assert!(!sync.logs_in("test.user@okta.local").await);
    // 5: it stays to be read.
    assert_eq!(replay(okta, "GET", &format!("/Users/{uid}"), "", 200).await["active"], false);
    // 6: a group; a change of its name comes with its id.
    let body =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Engineering","members":[]}"#;
    let gid = id(&replay(okta, "POST", "/Groups", body, 201).await);
    sync.let_engineer(&gid).await;
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"replace","value":{{"id":"{gid}","displayName":"Engineering"}}}}]}}"#
    );
    replay(okta, "PATCH", &format!("/Groups/{gid}"), &body, 204).await;
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"id":"another","displayName":"Engineers"}}]}"#;
    replay(okta, "PATCH", &format!("/Groups/{gid}"), body, 204).await;
    let group = replay(okta, "GET", &format!("/Groups/{gid}"), "", 200).await;
    assert_eq!((&group["id"], &group["displayName"]), (&json!(gid), &json!("Engineers")));
    // 7: one goes and one comes, in one request.
    let (one, two) = (okta.user("one@okta.local").await, okta.user("two@okta.local").await);
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"add","path":"members","value":[{{"value":"{one}","display":"one@okta.local"}}]}}]}}"#
    );
    replay(okta, "PATCH", &format!("/Groups/{gid}"), &body, 204).await;
    assert!(sync.is_engineer("one@okta.local").await && !sync.is_engineer("two@okta.local").await);
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"remove","path":"members[value eq \"{one}\"]"}},{{"op":"add","path":"members","value":[{{"value":"{two}","display":"two@okta.local"}}]}}]}}"#
    );
    replay(okta, "PATCH", &format!("/Groups/{gid}"), &body, 204).await;
    assert!(!sync.is_engineer("one@okta.local").await && sync.is_engineer("two@okta.local").await);
    // 8: just these, by PATCH and by PUT.
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"replace","path":"members","value":[{{"value":"{one}","display":"one@okta.local"}}]}}]}}"#
    );
    replay(okta, "PATCH", &format!("/Groups/{gid}"), &body, 204).await;
    assert_eq!(okta.members(&gid).await, std::slice::from_ref(&one));
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"{gid}","displayName":"Engineers","members":[{{"value":"{two}","display":"two@okta.local"}}],"meta":{{"resourceType":"Group"}}}}"#
    );
    let group = replay(okta, "PUT", &format!("/Groups/{gid}"), &body, 200).await;
    assert_eq!(
        (&group["members"][0]["value"], group["members"].as_array().map(Vec::len)),
        (&json!(two), Some(1))
    );
    // 9: an import, page by page.
    let list = replay(okta, "GET", "/Users?startIndex=1&count=2", "", 200).await;
    let rest = replay(okta, "GET", "/Users?startIndex=3&count=2", "", 200).await;
    assert_eq!(
        (&list["totalResults"], &list["itemsPerPage"], &rest["itemsPerPage"]),
        (&json!(3), &json!(2), &json!(1))
    );
    // 10: the group is unlinked.
    replay(okta, "DELETE", &format!("/Groups/{gid}"), "", 204).await;
    replay(okta, "GET", &format!("/Groups/{gid}"), "", 404).await;
    assert!(!sync.is_engineer("two@okta.local").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_is_answered_as_it_wants() {
    let sync = Sync::start().await;
    let entra = &mut sync.provider().await;
    // 24: the test of the connection.
    let path = "/Users?filter=userName+eq+%22a0b1c2d3-6b9f-4a4e-9a9e-2f8e6d4d3b11%22";
    assert_eq!(replay(entra, "GET", path, "", 200).await["totalResults"], 0);
    // 22: a user.
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_ab6490ee@example.com","active":true,"displayName":"lennay","emails":[{"primary":true,"type":"work","value":"testing@example.com"}],"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}"#;
    let uid = id(&replay(entra, "POST", "/Users", body, 201).await);
    let who = "Test_User_ab6490ee@example.com";
    let path = format!("/Users/{uid}");
    // 11, 12 and 13: each form of a deactivation, and back.
    for (off, on) in [
        (
            r#"{"op":"Replace","path":"active","value":"False"}"#,
            r#"{"op":"Replace","path":"active","value":"True"}"#,
        ),
        (
            r#"{"op":"replace","path":"active","value":false}"#,
            r#"{"op":"replace","path":"active","value":true}"#,
        ),
        (
            r#"{"op":"Add","path":"active","value":"false"}"#,
            r#"{"op":"Add","path":"active","value":"true"}"#,
        ),
    ] {
        for (operation, logs_in) in [(off, false), (on, true)] {
            let body = format!(
                r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{operation}]}}"#
            );
            assert_eq!(replay(entra, "PATCH", &path, &body, 200).await["active"], logs_in);
            assert_eq!(sync.logs_in(who).await, logs_in, "{operation}");
        }
    }
    // 17: a value that is there, and one that is not.
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"updatedEmail@example.com"},{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"+1"},{"op":"Replace","path":"name.familyName","value":"updatedFamilyName"}]}"#;
    let user = replay(entra, "PATCH", &path, body, 200).await;
    assert_eq!(
        user["emails"],
        json!([{"primary": true, "type": "work", "value": "updatedEmail@example.com"}])
    );
    assert_eq!(user["phoneNumbers"], json!([{"type": "mobile", "value": "+1"}]));
    // 18: keys that are paths.
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"name.givenName":"K","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"7"}}]}"#;
    let user = replay(entra, "PATCH", &path, body, 200).await;
    assert_eq!(
        (&user["name"]["givenName"], &user["name"]["familyName"]),
        (&json!("K"), &json!("updatedFamilyName"))
    );
    assert_eq!(user[ENTERPRISE], json!({"department": "Sales", "employeeNumber": "7"}));
    // 23: a manager as a bare string.
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"8f8d"}]}"#;
    assert_eq!(
        replay(entra, "PATCH", &path, body, 200).await[ENTERPRISE]["manager"],
        json!({"value": "8f8d"})
    );
    // 21: a group of an odd schema.
    let body = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"Engineering","meta":{"resourceType":"Group"}}"#;
    let gid = id(&replay(entra, "POST", "/Groups", body, 201).await);
    sync.let_engineer(&gid).await;
    let group = format!("/Groups/{gid}");
    // 16: a member, twice.
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"Add","path":"members","value":[{{"$ref":null,"value":"{uid}"}}]}}]}}"#
    );
    for _ in 0..2 {
        replay(entra, "PATCH", &group, &body, 204).await;
        assert_eq!(entra.members(&gid).await, std::slice::from_ref(&uid));
    }
    assert!(sync.is_engineer(who).await);
    // 19: without the members.
    let path = "/Groups?excludedAttributes=members&filter=displayName eq \"Engineering\""
        .replace(' ', "%20")
        .replace('"', "%22");
    let list = replay(entra, "GET", &path, "", 200).await;
    assert_eq!((&list["totalResults"], list["Resources"][0].get("members")), (&json!(1), None));
    let shown = replay(entra, "GET", &format!("{group}?excludedAttributes=members"), "", 200).await;
    assert_eq!((&shown["displayName"], shown.get("members")), (&json!("Engineering"), None));
    // 20: the filters that it uses.
    for (kind, filter, found) in [
        ("Users", "externalId eq \"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\"".to_owned(), 1),
        ("Users", "externalId eq \"0A21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\"".to_owned(), 0),
        ("Users", "userName eq \"TEST_user_ab6490ee@EXAMPLE.com\"".to_owned(), 1),
        (
            "Users",
            "emails[type eq \"work\"].value eq \"UPDATEDemail@example.com\"".to_owned(),
            1,
        ),
        (
            "Users",
            "emails[type eq \"home\"].value eq \"updatedEmail@example.com\"".to_owned(),
            0,
        ),
        ("Groups", format!("id eq \"{gid}\" and members eq \"{uid}\""), 1),
        ("Groups", format!("id eq \"{gid}\" and members eq \"{gid}\""), 0),
        ("Groups", format!("members[value eq \"{uid}\"]"), 1),
        ("Groups", "externalId eq \"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159\"".to_owned(), 1),
        ("Groups", "displayName eq \"ENGINEERING\"".to_owned(), 1),
    ] {
        let path = format!("/{kind}?filter={}", filter.replace(' ', "%20").replace('"', "%22"));
        assert_eq!(replay(entra, "GET", &path, "", 200).await["totalResults"], found, "{filter}");
    }
    // 14 and 15: a member goes, and only that one.
    let other = entra.user("other@example.com").await;
    let add = |id: &str| json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": id}]}]);
    assert_eq!(entra.patch(&group, add(&other)).await, 204);
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"Remove","path":"members","value":[{{"$ref":null,"value":"{uid}"}}]}}]}}"#
    );
    replay(entra, "PATCH", &group, &body, 204).await;
    assert_eq!(entra.members(&gid).await, std::slice::from_ref(&other));
    assert!(!sync.is_engineer(who).await && sync.is_engineer("other@example.com").await);
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"remove","path":"members[value eq \"{other}\"]"}}]}}"#
    );
    replay(entra, "PATCH", &group, &body, 204).await;
    assert!(entra.members(&gid).await.is_empty() && !sync.is_engineer("other@example.com").await);
    // 23: deactivated, and removed a month later.
    assert_eq!(
        entra
            .patch(
                &format!("/Users/{uid}"),
                json!([{"op": "Replace", "path": "active", "value": "False"}])
            )
            .await,
        200
    );
    replay(entra, "DELETE", &format!("/Users/{uid}"), "", 204).await;
    replay(entra, "GET", &format!("/Users/{uid}"), "", 404).await;
    assert!(!sync.logs_in(who).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_as_they_are_said_to_want() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    // 26: JumpCloud makes a user and a group to see whether it can, and removes them, as often as somebody tests the
    // connection; OneLogin writes users both ways.
    for _ in 0..2 {
        let user = json!({"userName": "jumpcloudtestuser@example.com", "externalId": "jumpcloudtestuser"});
        let uid = id(&provider.ask("POST", "/Users", &user, 201).await);
        let gid = provider.group("jumpcloudtestgroup", &[&uid]).await;
        let list = provider
            .get("/Users?filter=userName%20eq%20%22jumpcloudtestuser@example.com%22&startIndex=1&count=1")
            .await;
        assert_eq!(list["Resources"][0]["id"], json!(uid));
        let (user, group) = (format!("/Users/{uid}"), format!("/Groups/{gid}"));
        let whole = json!({"userName": "jumpcloudtestuser@example.com", "externalId": "jumpcloudtestuser",
            "active": false, "name": {"givenName": "J"}});
        assert_eq!(provider.ask("PUT", &user, &whole, 200).await["active"], false);
        let operations = json!([{"op": "replace", "path": "active", "value": true}]);
        assert_eq!(provider.patch(&user, operations).await, 200);
        assert_eq!(provider.patch(&group, json!([{"op": "remove", "path": "members"}])).await, 204);
        provider.ask("DELETE", &user, &Value::Null, 204).await;
        provider.ask("DELETE", &group, &Value::Null, 204).await;
        assert_eq!(provider.get("/Groups").await["totalResults"], 0);
    }
}
