//! A sidecar with an admin listener, and callers with tokens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use gatepost::app::{Settings, TOKENS_FILE, change_tokens};
use gatepost::callers::{Principal, Scope};
use gatepost::serve::Address;
use serde_json::Value;

use crate::support::{Answer, Client, Root, Sidecar, settings};

/// The principals that have tokens, each with all scopes.
const CALLERS: [(&str, &str); 8] = [
    ("User", "ana@example.com"),
    ("User", "theo@example.com"),
    ("User", "mina@example.com"),
    ("User", "carla@example.com"),
    ("User", "emi@example.com"),
    ("User", "bo@example.com"),
    ("User", "nobody@example.com"),
    ("ServiceUser", "provisioner"),
];

pub const MERGE_PATCH: (&str, &str) = ("content-type", "application/merge-patch+json");
pub const JSON: (&str, &str) = ("content-type", "application/json");
/// Whatever there is now.
pub const NEWEST: (&str, &str) = ("if-match", "*");

/// A sidecar that may be changed.
pub struct World {
    pub root: Root,
    pub sidecar: Sidecar,
    pub admin: SocketAddr,
    tokens: BTreeMap<String, String>,
}

impl World {
    /// The bundled model.
    pub async fn new() -> Self {
        Self::on(Root::bundled()).await
    }

    pub async fn on(root: Root) -> Self {
        Self::with(root, &managed()).await
    }

    pub async fn with(root: Root, settings: &Settings) -> Self {
        let name = |id: &str| id.split('@').next().unwrap_or(id).to_owned();
        let tokens = CALLERS
            .iter()
            .map(|(entity_type, id)| (name(id), token(root.path(), &name(id), (entity_type, id), &Scope::ALL)))
            .collect();
        let sidecar = Sidecar::serve_with(root.path(), settings).await;
        let admin = admin_address(&sidecar);
        Self {
            root,
            sidecar,
            admin,
            tokens,
        }
    }

    /// The token of a caller, who goes by the part before the `@`.
    pub fn token(&self, who: &str) -> &str {
        self.tokens.get(who).unwrap_or_else(|| panic!("{who} has no token"))
    }

    /// A caller with a connection of its own.
    pub async fn caller(&self, who: &str) -> Caller {
        Caller {
            client: Client::connect(self.admin).await,
            authorization: format!("Bearer {}", self.token(who)),
        }
    }

    /// The revision that is live.
    pub fn revision(&self) -> String {
        let live = self.sidecar.live().current();
        live.as_ref().expect("a generation").snapshot.revision().to_owned()
    }

    /// The decision point's answer.
    pub async fn may(&self, principal: (&str, &str), action: &str, resource: (&str, &str)) -> bool {
        self.sidecar.client().await.asks(principal, action, resource).await
    }
}

/// Settings with an admin listener on a port that the system chooses.
pub fn managed() -> Settings {
    Settings {
        admin_listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        ..settings()
    }
}

pub fn admin_address(sidecar: &Sidecar) -> SocketAddr {
    match sidecar.running.admin_addresses.first() {
        Some(Address::Tcp(address)) => *address,
        other => panic!("{other:?}"),
    }
}

/// Makes a token in a root.
pub fn token(root: &Path, name: &str, principal: (&str, &str), scopes: &[Scope]) -> String {
    let principal = Principal {
        entity_type: principal.0.to_owned(),
        id: principal.1.to_owned(),
    };
    let now = chrono::Utc::now();
    let make = |callers: &mut gatepost::callers::Callers| callers.create(name, principal, scopes, now, None);
    change_tokens(&root.join(TOKENS_FILE), make).expect("a token").reveal().to_owned()
}

/// Who calls the admin API, on one connection.
pub struct Caller {
    client: Client,
    authorization: String,
}

impl Caller {
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("authorization", self.authorization.as_str())];
        all.extend(headers);
        self.client.send(method, path, &all, body.as_bytes()).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// One entry or page, which has to be there.
    pub async fn shows(&mut self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Sends what a method usually has with it: changes apply to whatever there is.
    pub async fn does(&mut self, method: &str, path: &str, body: &str) -> Answer {
        match method {
            "PATCH" => self.send(method, path, &[MERGE_PATCH, NEWEST], body).await,
            "DELETE" => self.send(method, path, &[NEWEST], body).await,
            _ if body.is_empty() => self.send(method, path, &[], body).await,
            _ => self.send(method, path, &[JSON], body).await,
        }
    }
}
