//! `gatepost serve`

use std::sync::Arc;

use super::{FAILURE, SUCCESS, ServeArgs, USAGE, print, print_error, progress, refuse_settings, render};
use crate::app::{self, Settings, World};
use crate::engine::{Example, Query, Snapshot};
use crate::serve::Address;
use crate::store::Live;

/// Frames of deep policies and of JSON; the evaluator stops short of the end of it.
const STACK_BYTES: usize = 8 << 20;

pub(super) fn run(args: &ServeArgs) -> u8 {
    let mut flags = Vec::new();
    if !args.listen.is_empty() {
        flags.push(("listen", args.listen.join(",")));
    }
    flags.extend(args.log.iter().map(|log| ("log", log.clone())));
    flags.extend(args.log_format.iter().map(|format| ("log_format", format.clone())));
    let mut settings = match args.root.settings(&flags) {
        Ok(settings) => settings,
        Err(faults) => return refuse_settings(&faults),
    };
    settings.progress = progress::bar();
    if let Err(message) = app::start_logging(settings.log_format, &settings.log) {
        print_error(&message);
        return USAGE;
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if settings.worker_threads > 0 {
        runtime.worker_threads(settings.worker_threads);
    }
    let runtime = runtime.thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("cannot start: {error}"));
            return FAILURE;
        }
    };
    runtime.block_on(serve(args.root.world(), &settings))
}

async fn serve(world: World, settings: &Settings) -> u8 {
    let running = match app::run(world.clone(), settings).await {
        Ok(running) => running,
        Err(error) => {
            print_error(&format!("gatepost cannot start: {error}"));
            return FAILURE;
        }
    };
    // Before anybody can know that there is something to signal.
    let signals = match app::Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            print_error(&format!("gatepost cannot listen to signals: {error}"));
            return FAILURE;
        }
    };
    let greeting = tokio::spawn(greet(
        running.live.clone(),
        world,
        running.addresses.clone(),
        running.admin_addresses.clone(),
    ));
    running.until_told_to_stop(signals).await;
    greeting.abort();
    SUCCESS
}

/// Says what is served and what to try, as soon as there is something.
async fn greet(live: Arc<Live>, world: World, addresses: Vec<Address>, admin: Vec<Address>) {
    let mut published = live.subscribe();
    let waiting = tokio::time::sleep(std::time::Duration::from_secs(1));
    tokio::select! {
        biased;
        _ = published.wait_for(|number| *number > 0) => {}
        () = waiting => {
            if let Some(pending) = live.status().pending {
                for fault in pending.faults.iter().take(20) {
                    super::print_drawn(&render::fault(fault, render::Stream::Error));
                }
                print_error("nothing is served yet: mend the files, and they are loaded at once");
            }
        }
    }
    if published.wait_for(|number| *number > 0).await.is_err() {
        return;
    }
    let current = live.current();
    let Some(generation) = current.as_ref() else { return };
    let snapshot = &generation.snapshot;
    let what = match &world {
        World::Root(root) => format!("the files in {}", root.display()),
        World::BuiltIn => "the built-in model (this directory is no root; `gatepost init DIR` writes one)".to_owned(),
    };
    let places: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let counts = snapshot.counts();
    print(&format!(
        "gatepost {} serves {what}\n  on {}\n  {} policies, {} entities, revision {}",
        env!("CARGO_PKG_VERSION"),
        places.join(" and "),
        counts.policies,
        counts.entities,
        snapshot.revision()
    ));
    if !admin.is_empty() {
        let admin: Vec<String> = admin.iter().map(ToString::to_string).collect();
        print(&format!(
            "  admin API and directory sync, with a token, on {}",
            admin.join(" and ")
        ));
    }
    if let (Some(question), Some(address)) = (example(snapshot), addresses.first()) {
        let curl = match address {
            Address::Tcp(address) => format!("curl -s http://{address}"),
            Address::Unix(path) => format!("curl -s --unix-socket {} http://localhost", path.display()),
        };
        print(&format!(
            "\nTry:\n  {curl}/access/v1/evaluation -H 'Content-Type: application/json' -d '{question}'\n  {curl}/status"
        ));
    }
}

/// A question that the snapshot knows all words of.
fn example(snapshot: &Snapshot) -> Option<String> {
    // The bundled model's, if these are its words; otherwise one made of the first entities that fit.
    let bundled = Query::plain(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    let known = snapshot.decide(&bundled).is_ok_and(|decision| !decision.determining.is_empty());
    let example = if known {
        let entity = |ty: &str, id: &str| (ty.to_owned(), id.to_owned());
        Example {
            principal: entity("user", "carla@example.com"),
            action: "viewDatastore".to_owned(),
            resource: entity("datastore", "ledger"),
        }
    } else {
        snapshot.example()?
    };
    Some(
        serde_json::json!({
            "subject": { "type": example.principal.0, "id": example.principal.1 },
            "action": { "name": example.action },
            "resource": { "type": example.resource.0, "id": example.resource.1 },
        })
        .to_string()
        .replace('\'', "'\\''"),
    )
}
