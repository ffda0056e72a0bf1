//! The files that are built into the binary.
//!
//! Named one by one, so that the compiler knows to build anew when one changes; a test holds the list against the
//! directories.

use crate::engine::Text;
use crate::store::{File, Kind};

/// A file's path below its root, and its content.
type Embedded = (&'static str, &'static str);

/// The bundled access model.
pub const MODEL: &[Embedded] = &[
    ("schema/access.cedarschema", include_str!("../../schema/access.cedarschema")),
    ("policies/accounts.cedar", include_str!("../../policies/accounts.cedar")),
    ("policies/datastores.cedar", include_str!("../../policies/datastores.cedar")),
    ("policies/deactivation.cedar", include_str!("../../policies/deactivation.cedar")),
    ("policies/roles.cedar", include_str!("../../policies/roles.cedar")),
    (
        "policies/service_users.cedar",
        include_str!("../../policies/service_users.cedar"),
    ),
    ("policies/teams.cedar", include_str!("../../policies/teams.cedar")),
    ("entities/datastores.yaml", include_str!("../../entities/datastores.yaml")),
    ("entities/people.yaml", include_str!("../../entities/people.yaml")),
    ("entities/platform.json", include_str!("../../entities/platform.json")),
    ("entities/service_users.yaml", include_str!("../../entities/service_users.yaml")),
    ("entities/teams.yaml", include_str!("../../entities/teams.yaml")),
];

/// The smallest root of one's own: a schema, a policy and three entities to start from.
pub const MINIMAL: &[Embedded] = &[
    ("schema/app.cedarschema", include_str!("minimal/app.cedarschema")),
    ("policies/documents.cedar", include_str!("minimal/documents.cedar")),
    ("entities/entities.json", include_str!("minimal/entities.json")),
];

/// What of a root no git repository should hold: part of each new root.
pub const IGNORED: Embedded = (".gitignore", include_str!("minimal/gitignore"));

/// The bundled access model, as if it had been read from a root.
pub fn built_in() -> Vec<File> {
    MODEL
        .iter()
        .filter_map(|(name, content)| {
            let kind = [Kind::Schema, Kind::Policies, Kind::Entities]
                .into_iter()
                .find(|kind| name.starts_with(kind.directory()))?;
            Some(File {
                kind,
                text: Text::new(*name, *content),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn this_repository_ignores_what_a_new_root_does() {
        let here = include_str!("../../.gitignore");
        assert!(here.ends_with(IGNORED.1), "{here}");
    }

    #[test]
    fn every_file_of_the_model_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tree = crate::store::read(root, &crate::store::FileLimits::default());
        let on_disk: Vec<&str> = tree.files.iter().map(|file| &*file.text.name).collect();
        let built_in = built_in();
        let embedded: Vec<&str> = built_in.iter().map(|file| &*file.text.name).collect();
        assert_eq!(embedded, on_disk, "add the file to MODEL, in this order");
    }
}
