//! What the tests of directory sync share: a sidecar with the bundled model, an identity provider with a token, and an
//! application that asks.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepost::app::{Settings, TOKENS_FILE};
use gatepost::callers::{Callers, Principal, Scope};
use gatepost::serve::Address;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Root, Sidecar, settings};

/// A sidecar with the bundled model, in which no team of directory sync has anything before an Admin gives it something.
pub struct Sync {
    pub root: Root,
    pub sidecar: Sidecar,
    pub token: String,
    /// A token that is good for everything else.
    pub other_token: String,
}

impl Sync {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let root = Root::bundled();
        root.write(
            "entities/sync.json",
            r#"{"service_users": {"directory-sync": {"role": "Admin"}}}"#,
        );
        let mut callers = Callers::default();
        let sync = Principal {
            entity_type: "ServiceUser".to_owned(),
            id: "directory-sync".to_owned(),
        };
        let mut token = |name: &str, scopes: &[Scope]| {
            let made = callers.create(name, sync.clone(), scopes, chrono::Utc::now(), None).expect("a token");
            made.reveal().to_owned()
        };
        let secret = token("okta", &[Scope::Scim]);
        let other_token = token("others", &[Scope::Admin, Scope::Decide, Scope::Search, Scope::Explain]);
        root.write(TOKENS_FILE, &callers.to_text());
        fs::set_permissions(root.path().join(TOKENS_FILE), Permissions::from_mode(0o600)).expect("a mode");
        let mut settings = settings();
        settings.admin_listen = vec![Address::Tcp(([127, 0, 0, 1], 0).into())];
        change(&mut settings);
        let sidecar = Sidecar::serve_with(root.path(), &settings).await;
        Self {
            root,
            sidecar,
            token: secret,
            other_token,
        }
    }

    pub fn admin_address(&self) -> SocketAddr {
        match self.sidecar.running.admin_addresses.first() {
            Some(Address::Tcp(address)) => *address,
            other => panic!("no address: {other:?}"),
        }
    }

    pub async fn provider(&self) -> Provider {
        Provider {
            client: Client::connect(self.admin_address()).await,
            token: self.token.clone(),
        }
    }

    /// Whether a person may log in: whether the account is there and active.
    pub async fn logs_in(&self, user: &str) -> bool {
        self.sidecar.client().await.asks(("User", user), "logIn", ("Platform", "main")).await
    }

    /// Has an Admin let a group's team read the datastore `payroll`.
    pub async fn let_engineer(&self, group: &str) {
        let authorization = format!("Bearer {}", self.other_token);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/merge-patch+json"),
            ("if-match", "*"),
        ];
        let body = r#"{"permission":"read","datastores":["payroll"]}"#;
        let mut admin = Client::connect(self.admin_address()).await;
        let path = format!("/v1/admin/teams/{group}");
        let answer = admin.send("PATCH", &path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    /// Whether a person has what [`let_engineer`](Self::let_engineer) gives.
    pub async fn is_engineer(&self, user: &str) -> bool {
        self.sidecar
            .client()
            .await
            .asks(("User", user), "viewDatastore", ("Datastore", "payroll"))
            .await
    }

    /// All files of the directory, as one text.
    pub fn entities(&self) -> String {
        text_below(&self.root.path().join("entities"))
    }

    /// Everything that is written in the root, the audit trail too, as one text.
    pub fn written(&self) -> String {
        text_below(self.root.path())
    }
}

/// All files below a directory, as one text.
pub fn text_below(directory: &Path) -> String {
    let mut text = String::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                text.push_str(&String::from_utf8_lossy(&fs::read(path).expect("a file")));
            }
        }
    }
    text
}

/// An identity provider on one connection.
pub struct Provider {
    pub client: Client,
    pub token: String,
}

impl Provider {
    /// Sends a request to a path below `/scim/v2`.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.send_with(method, path, &[], body).await
    }

    /// The same with more headers, of which a `content-type` takes the place of the usual one.
    pub async fn send_with(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", authorization.as_str())];
        if !body.is_empty() && more.iter().all(|(name, _)| *name != "content-type") {
            headers.push(("content-type", "application/scim+json; charset=utf-8"));
        }
        headers.extend_from_slice(more);
        let answer = self.client.send(method, &format!("/scim/v2{path}"), &headers, body.as_bytes()).await;
        if answer.status.as_u16() != 204 && answer.status.as_u16() != 304 && method != "HEAD" {
            assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{method} {path}");
        }
        answer
    }

    /// Sends a request whose status must be this, and gives what came.
    pub async fn ask(&mut self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.send(method, path, &text).await;
        assert_eq!(answer.status, status, "{method} {path} {text}: {}", answer.text());
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    pub async fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null, 200).await
    }

    /// Makes a user, and gives its id.
    pub async fn user(&mut self, name: &str) -> String {
        let user = self.ask("POST", "/Users", &json!({"schemas": [USER], "userName": name}), 201).await;
        user["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a group, and gives its id.
    pub async fn group(&mut self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.ask("POST", "/Groups", &group, 201).await["id"].as_str().expect("an id").to_owned()
    }

    /// Sends operations, and gives the status.
    pub async fn patch(&mut self, path: &str, operations: Value) -> u16 {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send("PATCH", path, &body.to_string()).await.status.as_u16()
    }

    /// The ids of a group's members, sorted.
    pub async fn members(&mut self, group: &str) -> Vec<String> {
        let group = self.get(&format!("/Groups/{group}")).await;
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> =
            members.iter().map(|member| member["value"].as_str().expect("an id").to_owned()).collect();
        ids.sort();
        ids
    }
}

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
