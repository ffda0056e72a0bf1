//! What the bundled access model answers, as data.
//!
//! Each case asks the bundled schema and policies about the bundled company, and names the rule that it proves. For
//! each policy there is a case that turns round when that policy alone is taken away.
//!
//! Rules that are not here, or only in part, because no policy holds them:
//! - R1, R9, R10, R23: what a directory may contain, which is refused as it is read or written.
//! - R7: deactivation keeps the record. [`AMENDMENTS`] has what follows for access; the record is the directory's.
//! - R15: that a person cannot be granted anything is a matter of form, since a document has no place to write it. The
//!   part about enrichment datastores is here.
//! - R18: that no search shows what is denied is a promise about searches. The denials are here.
//! - R20: that everyone is in Public comes from the projection of the documents. The prohibitions are here.
//! - R25: what deleting a team takes away is seen by comparing two directories.
//! - R26, R27: directory sync.

/// A type and an id: `("User", "bo@example.com")`.
pub type Id = (&'static str, &'static str);

/// One question, and the answer that the model owes it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The rule that the answer proves, such as `R16`.
    pub rule: &'static str,
    /// Who asks.
    pub principal: Id,
    /// The id of the action.
    pub action: &'static str,
    /// What it is done to.
    pub resource: Id,
    /// The context as JSON text; empty for none.
    pub context: &'static str,
    /// The answer.
    pub allow: bool,
}

/// Cases that hold once one account's `active` is changed.
#[derive(Clone, Copy, Debug)]
pub struct Amendment {
    /// The account that is deactivated or reactivated.
    pub account: Id,
    /// What its `active` becomes.
    pub active: bool,
    /// The cases that hold then.
    pub cases: &'static [Case],
}

impl Case {
    const fn with(self, context: &'static str) -> Case {
        Case { context, ..self }
    }
}

const fn allow(rule: &'static str, principal: Id, action: &'static str, resource: Id) -> Case {
    case(rule, principal, action, resource, true)
}

const fn deny(rule: &'static str, principal: Id, action: &'static str, resource: Id) -> Case {
    case(rule, principal, action, resource, false)
}

const fn case(rule: &'static str, principal: Id, action: &'static str, resource: Id, allow: bool) -> Case {
    Case {
        rule,
        principal,
        action,
        resource,
        context: "",
        allow,
    }
}

// Admins. Ana is in finance, Theo in no team.
const ANA: Id = ("User", "ana@example.com");
const THEO: Id = ("User", "theo@example.com");
// Managers. Joris is in no team, Mina in sales, Priya in data-platform.
const JORIS: Id = ("User", "joris@example.com");
const MINA: Id = ("User", "mina@example.com");
const PRIYA: Id = ("User", "priya@example.com");
// Members. Bo, in finance, is deactivated. Carla is in finance, Dev in sales and analytics, Emi in warehouse, Farid in
// marketing, Greta in analytics, Hugo in no team.
const BO: Id = ("User", "bo@example.com");
const CARLA: Id = ("User", "carla@example.com");
const DEV: Id = ("User", "dev@example.com");
const EMI: Id = ("User", "emi@example.com");
const FARID: Id = ("User", "farid@example.com");
const GRETA: Id = ("User", "greta@example.com");
const HUGO: Id = ("User", "hugo@example.com");
// Service users. The scan is a Member in finance and warehouse; the provisioner is an Admin in no team.
const SCAN: Id = ("ServiceUser", "nightly-scan");
const PROVISIONER: Id = ("ServiceUser", "provisioner");

const PLATFORM: Id = ("Platform", "main");
const FINANCE: Id = ("Team", "finance");
const PUBLIC: Id = ("Team", "Public");

// Datastores, with the teams that have Write; Read. No team has the audit trail.
const AUDIT_TRAIL: Id = ("Datastore", "audit-trail");
const AUDIT_TRAIL_QUALITY: Id = ("EnrichmentDatastore", "audit-trail-quality");
const CUSTOMERS: Id = ("Datastore", "customers"); // sales; marketing
const HOLIDAYS: Id = ("Datastore", "holidays"); // data-platform; Public
const HOLIDAYS_QUALITY: Id = ("EnrichmentDatastore", "holidays-quality"); // data-platform
const INVENTORY: Id = ("Datastore", "inventory"); // warehouse; analytics
const INVENTORY_QUALITY: Id = ("EnrichmentDatastore", "inventory-quality"); // warehouse; analytics
const LEDGER: Id = ("Datastore", "ledger"); // finance
const LEDGER_QUALITY: Id = ("EnrichmentDatastore", "ledger-quality"); // finance
const ORDERS: Id = ("Datastore", "orders"); // sales; analytics
const ORDERS_QUALITY: Id = ("EnrichmentDatastore", "orders-quality"); // sales; analytics
const PAYROLL: Id = ("Datastore", "payroll"); // none; finance
const PAYROLL_QUALITY: Id = ("EnrichmentDatastore", "payroll-quality"); // none; finance
const WEB_EVENTS: Id = ("Datastore", "web-events"); // marketing, analytics

const INTO_FINANCE: &str = r#"{"teams":[{"type":"Team","id":"finance"}]}"#;
const INTO_PUBLIC: &str = r#"{"teams":[{"type":"Team","id":"Public"}]}"#;
const INTO_BOTH: &str = r#"{"teams":[{"type":"Team","id":"finance"},{"type":"Team","id":"Public"}]}"#;
const INTO_NONE: &str = r#"{"teams":[]}"#;

/// What holds for the bundled company as it stands, by rule.
pub const CASES: &[Case] = &[
    // R2: people log in, whatever their role; automation never does, and being an Admin does not help.
    allow("R2", ANA, "logIn", PLATFORM),
    allow("R2", JORIS, "logIn", PLATFORM),
    allow("R2", CARLA, "logIn", PLATFORM),
    allow("R2", HUGO, "logIn", PLATFORM),
    deny("R2", SCAN, "logIn", PLATFORM),
    deny("R2", PROVISIONER, "logIn", PLATFORM),
    // R3: an Admin manages other people's accounts, and nobody else does.
    allow("R3", ANA, "viewAccount", CARLA),
    allow("R3", ANA, "editRole", CARLA),
    allow("R3", ANA, "assignTeams", CARLA).with(INTO_FINANCE),
    allow("R3", ANA, "assignTeams", CARLA).with(INTO_NONE),
    allow("R3", ANA, "deactivate", CARLA),
    allow("R3", ANA, "reactivate", BO),
    allow("R3", ANA, "editRole", THEO),
    allow("R3", PROVISIONER, "assignTeams", HUGO).with(INTO_FINANCE),
    deny("R3", JORIS, "viewAccount", CARLA),
    deny("R3", JORIS, "editRole", CARLA),
    deny("R3", JORIS, "assignTeams", CARLA).with(INTO_FINANCE),
    deny("R3", JORIS, "deactivate", CARLA),
    deny("R3", JORIS, "reactivate", BO),
    deny("R3", CARLA, "viewAccount", CARLA),
    deny("R3", CARLA, "editRole", HUGO),
    deny("R3", CARLA, "assignTeams", HUGO).with(INTO_FINANCE),
    deny("R3", CARLA, "deactivate", HUGO),
    deny("R3", CARLA, "reactivate", BO),
    deny("R3", SCAN, "editRole", CARLA),
    // R4: nobody changes their own role or teams. Admins are bound too, and so is automation.
    deny("R4", ANA, "editRole", ANA),
    deny("R4", ANA, "assignTeams", ANA).with(INTO_FINANCE),
    deny("R4", ANA, "assignTeams", ANA).with(INTO_NONE),
    deny("R4", PROVISIONER, "editRole", PROVISIONER),
    deny("R4", PROVISIONER, "assignTeams", PROVISIONER).with(INTO_FINANCE),
    deny("R4", JORIS, "editRole", JORIS),
    deny("R4", HUGO, "assignTeams", HUGO).with(INTO_FINANCE),
    allow("R4", ANA, "viewAccount", ANA),
    allow("R4", ANA, "deactivate", ANA),
    // R5: service users are an Admin's to create, edit, deactivate and reactivate.
    allow("R5", ANA, "createServiceUser", PLATFORM),
    allow("R9", PROVISIONER, "createUser", PLATFORM),
    allow("R5", ANA, "viewAccount", SCAN),
    allow("R5", ANA, "edit", SCAN),
    allow("R5", ANA, "editRole", SCAN),
    allow("R5", ANA, "assignTeams", SCAN).with(INTO_FINANCE),
    allow("R5", ANA, "deactivate", SCAN),
    allow("R5", ANA, "reactivate", SCAN),
    deny("R5", JORIS, "createServiceUser", PLATFORM),
    deny("R5", JORIS, "edit", SCAN),
    deny("R5", JORIS, "deactivate", SCAN),
    deny("R5", CARLA, "createServiceUser", PLATFORM),
    deny("R5", CARLA, "edit", SCAN),
    deny("R5", CARLA, "reactivate", SCAN),
    deny("R5", SCAN, "edit", SCAN),
    // R6: a deactivated account is denied everything. Bo has Write on the ledger through finance, holidays is open to
    // all, and any person may log in: none of it counts.
    deny("R6", BO, "logIn", PLATFORM),
    deny("R6", BO, "read", LEDGER),
    deny("R6", BO, "write", LEDGER),
    deny("R6", BO, "viewDatastore", LEDGER),
    deny("R6", BO, "reportOnDatastore", LEDGER),
    deny("R6", BO, "runOperation", LEDGER),
    deny("R6", BO, "manageMetadata", LEDGER),
    deny("R6", BO, "read", PAYROLL_QUALITY),
    deny("R6", BO, "read", HOLIDAYS),
    deny("R6", BO, "viewDatastore", HOLIDAYS),
    deny("R6", BO, "reportOnDatastore", HOLIDAYS),
    // R8: nor does a deactivated account reactivate anybody. A deactivated Admin is in `AMENDMENTS`.
    deny("R8", BO, "reactivate", BO),
    deny("R8", BO, "reactivate", SCAN),
    // R11: an Admin in no team has full access.
    allow("R11", THEO, "read", LEDGER),
    allow("R11", THEO, "write", LEDGER),
    allow("R11", THEO, "viewDatastore", LEDGER),
    allow("R11", THEO, "reportOnDatastore", LEDGER),
    allow("R11", THEO, "runOperation", LEDGER),
    allow("R11", THEO, "manageMetadata", LEDGER),
    allow("R11", THEO, "deleteDatastore", LEDGER),
    allow("R11", THEO, "read", LEDGER_QUALITY),
    allow("R11", THEO, "write", LEDGER_QUALITY),
    allow("R11", THEO, "viewDatastore", LEDGER_QUALITY),
    allow("R11", THEO, "reportOnDatastore", LEDGER_QUALITY),
    allow("R11", THEO, "runOperation", LEDGER_QUALITY),
    allow("R11", THEO, "manageMetadata", LEDGER_QUALITY),
    allow("R11", THEO, "deleteDatastore", LEDGER_QUALITY),
    allow("R11", THEO, "manageConnections", PLATFORM),
    allow("R11", THEO, "manageTags", PLATFORM),
    allow("R11", THEO, "manageNotifications", PLATFORM),
    allow("R11", THEO, "manageLibrary", PLATFORM),
    allow("R11", THEO, "manageDatastoreGroups", PLATFORM),
    allow("R11", PROVISIONER, "write", LEDGER),
    // R11: an Admin's teams do not limit them. Ana's team has Read on payroll.
    allow("R11", ANA, "runOperation", PAYROLL),
    // R12: an Admin alone adds and deletes datastores, manages settings and sees the Security area.
    allow("R12", THEO, "addDatastore", PLATFORM),
    allow("R12", THEO, "manageSettings", PLATFORM),
    allow("R12", THEO, "viewSecurity", PLATFORM),
    allow("R12", PROVISIONER, "addDatastore", PLATFORM),
    deny("R12", JORIS, "addDatastore", PLATFORM),
    deny("R12", JORIS, "manageSettings", PLATFORM),
    deny("R12", JORIS, "viewSecurity", PLATFORM),
    deny("R12", CARLA, "addDatastore", PLATFORM),
    deny("R12", CARLA, "manageSettings", PLATFORM),
    deny("R12", CARLA, "viewSecurity", PLATFORM),
    deny("R12", CARLA, "deleteDatastore", LEDGER),
    deny("R12", CARLA, "deleteDatastore", LEDGER_QUALITY),
    deny("R12", MINA, "deleteDatastore", ORDERS),
    // R13: a Manager manages the shared assets; a Member does not.
    allow("R13", JORIS, "manageConnections", PLATFORM),
    allow("R13", JORIS, "manageTags", PLATFORM),
    allow("R13", JORIS, "manageNotifications", PLATFORM),
    allow("R13", JORIS, "manageLibrary", PLATFORM),
    allow("R13", JORIS, "manageDatastoreGroups", PLATFORM),
    deny("R13", CARLA, "manageConnections", PLATFORM),
    deny("R13", CARLA, "manageTags", PLATFORM),
    deny("R13", CARLA, "manageNotifications", PLATFORM),
    deny("R13", CARLA, "manageLibrary", PLATFORM),
    deny("R13", CARLA, "manageDatastoreGroups", PLATFORM),
    deny("R13", SCAN, "manageTags", PLATFORM),
    // R14: a Manager has on datastores what their teams have, and nothing by role.
    deny("R14", JORIS, "read", LEDGER),
    deny("R14", JORIS, "viewDatastore", LEDGER),
    deny("R14", JORIS, "write", LEDGER),
    deny("R14", MINA, "read", LEDGER),
    allow("R14", MINA, "viewDatastore", ORDERS),
    allow("R14", MINA, "runOperation", ORDERS),
    // R15: enrichment datastores are granted like source datastores, and each for itself: Priya's team has Write on
    // both of the holidays, and Public has Read on the source alone.
    allow("R15", GRETA, "read", INVENTORY_QUALITY),
    allow("R15", GRETA, "viewDatastore", INVENTORY_QUALITY),
    deny("R15", GRETA, "write", INVENTORY_QUALITY),
    allow("R15", CARLA, "runOperation", LEDGER_QUALITY),
    allow("R15", PRIYA, "manageMetadata", HOLIDAYS_QUALITY),
    deny("R15", HUGO, "read", HOLIDAYS_QUALITY),
    // R16: Read is to view and to report, and no more.
    allow("R16", GRETA, "read", INVENTORY),
    allow("R16", GRETA, "viewDatastore", INVENTORY),
    allow("R16", GRETA, "reportOnDatastore", INVENTORY),
    deny("R16", GRETA, "write", INVENTORY),
    deny("R16", GRETA, "runOperation", INVENTORY),
    deny("R16", GRETA, "manageMetadata", INVENTORY),
    deny("R16", GRETA, "deleteDatastore", INVENTORY),
    // R17: Write is all of Read, and operations and metadata.
    allow("R17", CARLA, "read", LEDGER),
    allow("R17", CARLA, "write", LEDGER),
    allow("R17", CARLA, "viewDatastore", LEDGER),
    allow("R17", CARLA, "reportOnDatastore", LEDGER),
    allow("R17", CARLA, "runOperation", LEDGER),
    allow("R17", CARLA, "manageMetadata", LEDGER),
    allow("R17", SCAN, "viewDatastore", LEDGER),
    allow("R17", SCAN, "runOperation", LEDGER),
    // R18: without a team in common, nothing.
    deny("R18", EMI, "read", LEDGER),
    deny("R18", EMI, "write", LEDGER),
    deny("R18", EMI, "viewDatastore", LEDGER),
    deny("R18", EMI, "reportOnDatastore", LEDGER),
    deny("R18", EMI, "runOperation", LEDGER),
    deny("R18", EMI, "manageMetadata", LEDGER),
    deny("R18", EMI, "deleteDatastore", LEDGER),
    deny("R18", HUGO, "read", ORDERS),
    deny("R18", SCAN, "read", ORDERS),
    // R19: the highest level of several teams wins. Dev has Write on orders through sales and Read through analytics.
    allow("R19", DEV, "viewDatastore", ORDERS),
    allow("R19", DEV, "runOperation", ORDERS),
    allow("R19", DEV, "manageMetadata", ORDERS_QUALITY),
    // R19: each team adds what it has, and no more. Inventory is Dev's through analytics, customers through sales.
    allow("R19", DEV, "read", INVENTORY),
    deny("R19", DEV, "write", INVENTORY),
    allow("R19", DEV, "write", CUSTOMERS),
    // R20: Public keeps its name and its existence, and an Admin keeps the rest of it.
    deny("R20", ANA, "renameTeam", PUBLIC),
    deny("R20", ANA, "deleteTeam", PUBLIC),
    deny("R20", PROVISIONER, "deleteTeam", PUBLIC),
    allow("R20", ANA, "setPermission", PUBLIC),
    allow("R20", ANA, "assignDatastores", PUBLIC),
    allow("R20", ANA, "viewTeam", PUBLIC),
    allow("R20", ANA, "editTeam", PUBLIC),
    deny("R20", JORIS, "setPermission", PUBLIC),
    // R20: no change of teams touches Public, not even along with another team.
    deny("R20", ANA, "assignTeams", CARLA).with(INTO_PUBLIC),
    deny("R20", ANA, "assignTeams", CARLA).with(INTO_BOTH),
    deny("R20", ANA, "assignTeams", SCAN).with(INTO_PUBLIC),
    deny("R20", PROVISIONER, "assignTeams", CARLA).with(INTO_PUBLIC),
    // R21: what Public has, every active account has, at that level. Hugo is in no other team.
    allow("R21", HUGO, "read", HOLIDAYS),
    allow("R21", HUGO, "viewDatastore", HOLIDAYS),
    allow("R21", HUGO, "reportOnDatastore", HOLIDAYS),
    allow("R21", JORIS, "read", HOLIDAYS),
    allow("R21", SCAN, "read", HOLIDAYS),
    deny("R21", HUGO, "write", HOLIDAYS),
    deny("R21", HUGO, "runOperation", HOLIDAYS),
    // R21: Read by Public does not lower Write by a team.
    allow("R21", PRIYA, "runOperation", HOLIDAYS),
    // R22: teams are an Admin's to create, see, edit and delete. Carla is in finance, and that does not help.
    allow("R22", ANA, "createTeam", PLATFORM),
    allow("R22", ANA, "viewTeam", FINANCE),
    allow("R22", ANA, "editTeam", FINANCE),
    allow("R22", ANA, "renameTeam", FINANCE),
    allow("R22", ANA, "deleteTeam", FINANCE),
    allow("R22", ANA, "setPermission", FINANCE),
    allow("R22", ANA, "assignDatastores", FINANCE),
    deny("R22", JORIS, "createTeam", PLATFORM),
    deny("R22", JORIS, "editTeam", FINANCE),
    deny("R22", JORIS, "deleteTeam", FINANCE),
    deny("R22", JORIS, "setPermission", FINANCE),
    deny("R22", CARLA, "createTeam", PLATFORM),
    deny("R22", CARLA, "viewTeam", FINANCE),
    deny("R22", CARLA, "editTeam", FINANCE),
    deny("R22", CARLA, "renameTeam", FINANCE),
    deny("R22", CARLA, "deleteTeam", FINANCE),
    deny("R22", CARLA, "setPermission", FINANCE),
    deny("R22", CARLA, "assignDatastores", FINANCE),
    // R23: a level stated for one assignment wins over the team's, downwards (finance has Write and states Read for
    // payroll, marketing likewise for customers) and upwards (analytics has Read and states Write for web-events).
    allow("R23", CARLA, "read", PAYROLL),
    deny("R23", CARLA, "write", PAYROLL),
    deny("R23", CARLA, "manageMetadata", PAYROLL_QUALITY),
    allow("R23", FARID, "viewDatastore", CUSTOMERS),
    deny("R23", FARID, "runOperation", CUSTOMERS),
    allow("R23", GRETA, "runOperation", WEB_EVENTS),
    // R24: a datastore in no team is for Admins alone.
    allow("R24", THEO, "read", AUDIT_TRAIL),
    allow("R24", THEO, "write", AUDIT_TRAIL),
    allow("R24", ANA, "read", AUDIT_TRAIL_QUALITY),
    deny("R24", JORIS, "read", AUDIT_TRAIL),
    deny("R24", CARLA, "read", AUDIT_TRAIL),
    deny("R24", CARLA, "read", AUDIT_TRAIL_QUALITY),
    deny("R24", SCAN, "read", AUDIT_TRAIL),
];

/// What holds after one account is deactivated or reactivated, each change made to the bundled company by itself.
pub const AMENDMENTS: &[Amendment] = &[
    // R6, R8: a deactivated Admin is denied every action there is.
    Amendment {
        account: ANA,
        active: false,
        cases: &[
            deny("R6", ANA, "read", LEDGER),
            deny("R6", ANA, "write", LEDGER),
            deny("R6", ANA, "viewDatastore", LEDGER),
            deny("R6", ANA, "reportOnDatastore", LEDGER),
            deny("R6", ANA, "runOperation", LEDGER),
            deny("R6", ANA, "manageMetadata", LEDGER),
            deny("R6", ANA, "deleteDatastore", LEDGER),
            deny("R6", ANA, "read", HOLIDAYS),
            deny("R6", ANA, "read", LEDGER_QUALITY),
            deny("R6", ANA, "write", LEDGER_QUALITY),
            deny("R6", ANA, "viewDatastore", LEDGER_QUALITY),
            deny("R6", ANA, "reportOnDatastore", LEDGER_QUALITY),
            deny("R6", ANA, "runOperation", LEDGER_QUALITY),
            deny("R6", ANA, "manageMetadata", LEDGER_QUALITY),
            deny("R6", ANA, "deleteDatastore", LEDGER_QUALITY),
            deny("R6", ANA, "logIn", PLATFORM),
            deny("R6", ANA, "addDatastore", PLATFORM),
            deny("R6", ANA, "manageSettings", PLATFORM),
            deny("R6", ANA, "viewSecurity", PLATFORM),
            deny("R6", ANA, "createTeam", PLATFORM),
            deny("R6", ANA, "createServiceUser", PLATFORM),
            deny("R6", ANA, "manageConnections", PLATFORM),
            deny("R6", ANA, "manageTags", PLATFORM),
            deny("R6", ANA, "manageNotifications", PLATFORM),
            deny("R6", ANA, "manageLibrary", PLATFORM),
            deny("R6", ANA, "manageDatastoreGroups", PLATFORM),
            deny("R6", ANA, "viewAccount", CARLA),
            deny("R6", ANA, "editRole", CARLA),
            deny("R6", ANA, "assignTeams", CARLA).with(INTO_FINANCE),
            deny("R6", ANA, "deactivate", CARLA),
            deny("R8", ANA, "reactivate", BO),
            deny("R8", ANA, "reactivate", ANA),
            deny("R6", ANA, "viewAccount", SCAN),
            deny("R6", ANA, "editRole", SCAN),
            deny("R6", ANA, "assignTeams", SCAN).with(INTO_FINANCE),
            deny("R6", ANA, "deactivate", SCAN),
            deny("R8", ANA, "reactivate", SCAN),
            deny("R6", ANA, "edit", SCAN),
            deny("R6", ANA, "viewTeam", FINANCE),
            deny("R6", ANA, "editTeam", FINANCE),
            deny("R6", ANA, "renameTeam", FINANCE),
            deny("R6", ANA, "deleteTeam", FINANCE),
            deny("R6", ANA, "setPermission", FINANCE),
            deny("R6", ANA, "assignDatastores", FINANCE),
        ],
    },
    // R6: a deactivated Manager has no shared assets.
    Amendment {
        account: JORIS,
        active: false,
        cases: &[
            deny("R6", JORIS, "manageTags", PLATFORM),
            deny("R6", JORIS, "logIn", PLATFORM),
            deny("R6", JORIS, "read", HOLIDAYS),
        ],
    },
    // R6: deactivation binds automation as it binds people.
    Amendment {
        account: PROVISIONER,
        active: false,
        cases: &[
            deny("R6", PROVISIONER, "createTeam", PLATFORM),
            deny("R6", PROVISIONER, "read", LEDGER),
            deny("R8", PROVISIONER, "reactivate", BO),
        ],
    },
    // R7: reactivation gives back what Bo had: his teams, their levels, and no more.
    Amendment {
        account: BO,
        active: true,
        cases: &[
            allow("R7", BO, "logIn", PLATFORM),
            allow("R7", BO, "read", LEDGER),
            allow("R7", BO, "runOperation", LEDGER),
            allow("R7", BO, "write", LEDGER_QUALITY),
            allow("R7", BO, "read", PAYROLL),
            deny("R7", BO, "write", PAYROLL),
            allow("R7", BO, "read", HOLIDAYS),
            deny("R7", BO, "read", ORDERS),
            deny("R7", BO, "manageTags", PLATFORM),
        ],
    },
];
