//! Questions about the bundled company, with the answers that the bundled model owes them.

/// A type's exact name and an id.
type Id = (&'static str, &'static str);

/// One question.
pub(crate) struct Question {
    pub(crate) principal: Id,
    pub(crate) action: &'static str,
    pub(crate) resource: Id,
    /// JSON text; empty for none.
    pub(crate) context: &'static str,
    pub(crate) allow: bool,
}

const fn allow(principal: Id, action: &'static str, resource: Id) -> Question {
    Question {
        principal,
        action,
        resource,
        context: "",
        allow: true,
    }
}

const fn deny(principal: Id, action: &'static str, resource: Id) -> Question {
    Question {
        allow: false,
        ..allow(principal, action, resource)
    }
}

const fn with(context: &'static str, question: Question) -> Question {
    Question { context, ..question }
}

const ANA: Id = ("User", "ana@example.com");
const BO: Id = ("User", "bo@example.com");
const CARLA: Id = ("User", "carla@example.com");
const DEV: Id = ("User", "dev@example.com");
const EMI: Id = ("User", "emi@example.com");
const FARID: Id = ("User", "farid@example.com");
const GRETA: Id = ("User", "greta@example.com");
const HUGO: Id = ("User", "hugo@example.com");
const JORIS: Id = ("User", "joris@example.com");
const MINA: Id = ("User", "mina@example.com");
const PRIYA: Id = ("User", "priya@example.com");
const THEO: Id = ("User", "theo@example.com");
const PROVISIONER: Id = ("ServiceUser", "provisioner");
const SCAN: Id = ("ServiceUser", "nightly-scan");

const PLATFORM: Id = ("Platform", "main");
const FINANCE: Id = ("Team", "finance");
const PUBLIC: Id = ("Team", "Public");

const CAMPAIGNS: Id = ("Datastore", "campaigns");
const CUSTOMERS: Id = ("Datastore", "customers");
const HOLIDAYS: Id = ("Datastore", "holidays");
const INVENTORY: Id = ("Datastore", "inventory");
const LEDGER: Id = ("Datastore", "ledger");
const ORDERS: Id = ("Datastore", "orders");
const PAYROLL: Id = ("Datastore", "payroll");
const SHIPMENTS: Id = ("Datastore", "shipments");
const WEB_EVENTS: Id = ("Datastore", "web-events");
const HOLIDAYS_QUALITY: Id = ("EnrichmentDatastore", "holidays-quality");
const ORDERS_QUALITY: Id = ("EnrichmentDatastore", "orders-quality");
const PAYROLL_QUALITY: Id = ("EnrichmentDatastore", "payroll-quality");

const INTO_FINANCE: &str = r#"{"teams":[{"type":"Team","id":"finance"}]}"#;

/// Two of three are allowed, as it is where applications ask before they show a button. Most are about datastores; the
/// first sixteen are a fair sample of all.
pub(crate) static QUESTIONS: [Question; 32] = [
    allow(CARLA, "viewDatastore", LEDGER),
    deny(EMI, "viewDatastore", LEDGER),
    allow(CARLA, "runOperation", LEDGER),
    allow(GRETA, "reportOnDatastore", INVENTORY),
    deny(GRETA, "runOperation", INVENTORY),
    allow(SCAN, "runOperation", LEDGER),
    allow(THEO, "manageSettings", PLATFORM),
    allow(HUGO, "viewDatastore", HOLIDAYS),
    deny(HUGO, "read", ORDERS),
    allow(DEV, "manageMetadata", ORDERS_QUALITY),
    deny(BO, "viewDatastore", LEDGER),
    allow(MINA, "viewDatastore", ORDERS),
    allow(JORIS, "manageTags", PLATFORM),
    allow(CARLA, "logIn", PLATFORM),
    with(INTO_FINANCE, allow(ANA, "assignTeams", CARLA)),
    deny(SCAN, "logIn", PLATFORM),
    allow(DEV, "read", INVENTORY),
    deny(DEV, "write", INVENTORY),
    allow(PRIYA, "manageMetadata", HOLIDAYS_QUALITY),
    allow(FARID, "viewDatastore", CUSTOMERS),
    deny(FARID, "runOperation", CUSTOMERS),
    allow(FARID, "runOperation", CAMPAIGNS),
    allow(EMI, "reportOnDatastore", SHIPMENTS),
    allow(GRETA, "manageMetadata", WEB_EVENTS),
    deny(CARLA, "runOperation", PAYROLL),
    allow(CARLA, "reportOnDatastore", PAYROLL_QUALITY),
    allow(ANA, "deleteDatastore", LEDGER),
    deny(MINA, "deleteDatastore", ORDERS),
    allow(ANA, "renameTeam", FINANCE),
    deny(ANA, "renameTeam", PUBLIC),
    deny(ANA, "editRole", ANA),
    with(INTO_FINANCE, allow(PROVISIONER, "assignTeams", HUGO)),
];
