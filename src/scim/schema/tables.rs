//! The attributes that we keep: RFC 7643, sections 3.1, 4 and 8.7.

use crate::scim::attribute::{Attribute, Kind, Mutability, Returned};

const fn text(name: &'static str, description: &'static str) -> Attribute {
    Attribute::text(name, description)
}

/// A list of values with a label, a kind and a preferred one.
const fn plural(name: &'static str, description: &'static str, parts: &'static [Attribute]) -> Attribute {
    Attribute::new(name, Kind::Complex(parts), description).several()
}

const TYPE: Attribute = text("type", "What the value is for.");
const DISPLAY: Attribute = text("display", "A name for people.");
const PRIMARY: Attribute = Attribute::new("primary", Kind::Boolean, "Whether it is the preferred one; one at most is.");

const fn value(description: &'static str) -> Attribute {
    text("value", description)
}

/// What every resource has.
pub(super) const COMMON: &[Attribute] = &[
    Attribute::new("schemas", Kind::Reference(&["uri"]), "The schemas of this resource.")
        .several()
        .required()
        .with(Mutability::ReadOnly, Returned::Always),
    text("id", "Ours, and never another one.")
        .exact()
        .unique()
        .with(Mutability::ReadOnly, Returned::Always),
    text("externalId", "The client's own name for it.").exact(),
    Attribute::new("meta", Kind::Complex(META), "What the server knows about it.").read_only(),
];

const META: &[Attribute] = &[
    text("resourceType", "User or Group.").exact().read_only(),
    Attribute::new("created", Kind::DateTime, "When it was made.").read_only(),
    Attribute::new("lastModified", Kind::DateTime, "When it was changed last.").read_only(),
    Attribute::new("location", Kind::Reference(&["uri"]), "Where it is.").read_only(),
    text("version", "Its entity tag.").exact().read_only(),
];

/// `urn:ietf:params:scim:schemas:core:2.0:User`
pub(super) const USER: &[Attribute] = &[
    text("userName", "What the person signs in with; unique without regard to case.")
        .required()
        .unique(),
    Attribute::new("name", Kind::Complex(NAME), "The parts of the person's name."),
    text("displayName", "The name that people see."),
    text("nickName", "What the person is called."),
    Attribute::new("profileUrl", Kind::Reference(&["external"]), "A page about the person."),
    text("title", "Such as `Vice President`."),
    text("userType", "Such as `Contractor` or `Employee`."),
    text("preferredLanguage", "As in the header `Accept-Language`."),
    text("locale", "For dates, numbers and currencies, such as `en-US`."),
    text("timezone", "As in the IANA database, such as `Europe/Madrid`."),
    Attribute::new("active", Kind::Boolean, "Whether the account may do anything at all."),
    text("password", "Taken, and neither kept nor looked at.").with(Mutability::WriteOnly, Returned::Never),
    plural("emails", "Addresses of electronic mail.", EMAILS),
    plural("phoneNumbers", "Telephone numbers.", PHONES),
    plural("ims", "Addresses for instant messages.", IMS),
    plural("photos", "Pictures of the person.", PHOTOS),
    plural("addresses", "Postal addresses.", ADDRESSES),
    plural("groups", "The groups that the person is in.", GROUPS).read_only(),
    plural("entitlements", "Kept, and without any effect.", PLAIN),
    plural("roles", "Kept, and without any effect: roles are given by an Admin.", PLAIN),
    plural("x509Certificates", "Certificates of the person.", CERTIFICATES),
];

const NAME: &[Attribute] = &[
    text("formatted", "The whole name."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
    text("middleName", "The middle name."),
    text("honorificPrefix", "Such as `Dr`."),
    text("honorificSuffix", "Such as `III`."),
];

const EMAILS: &[Attribute] = &[
    value("The address."),
    DISPLAY,
    TYPE.usually(&["work", "home", "other"]),
    PRIMARY,
];
const PHONES: &[Attribute] = &[
    value("The number."),
    DISPLAY,
    TYPE.usually(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];
const IMS: &[Attribute] = &[value("The address."), DISPLAY, TYPE, PRIMARY];
const PHOTOS: &[Attribute] = &[
    Attribute::new("value", Kind::Reference(&["external"]), "Where the picture is."),
    DISPLAY,
    TYPE.usually(&["photo", "thumbnail"]),
    PRIMARY,
];
const ADDRESSES: &[Attribute] = &[
    text("formatted", "The whole address."),
    text("streetAddress", "Street and house."),
    text("locality", "City or village."),
    text("region", "State or region."),
    text("postalCode", "Postal code."),
    text("country", "Country, by two letters."),
    TYPE.usually(&["work", "home", "other"]),
    PRIMARY,
];
const GROUPS: &[Attribute] = &[
    value("The group's id.").exact().read_only(),
    Attribute::new("$ref", Kind::Reference(&["Group"]), "Where the group is.").read_only(),
    DISPLAY.read_only(),
    TYPE.usually(&["direct", "indirect"]).read_only(),
];
const PLAIN: &[Attribute] = &[value("The value."), DISPLAY, TYPE, PRIMARY];
const CERTIFICATES: &[Attribute] = &[
    Attribute::new("value", Kind::Binary, "The certificate, DER in base64."),
    DISPLAY,
    TYPE,
    PRIMARY,
];

/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`
pub(super) const ENTERPRISE: &[Attribute] = &[
    text("employeeNumber", "What the organization numbers the person with."),
    text("costCenter", "A cost center's name."),
    text("organization", "An organization's name."),
    text("division", "A division's name."),
    text("department", "A department's name."),
    Attribute::new("manager", Kind::Complex(MANAGER), "Whom the person reports to."),
];

const MANAGER: &[Attribute] = &[
    value("The manager's id.").exact(),
    Attribute::new("$ref", Kind::Reference(&["User"]), "Where the manager is."),
    text("displayName", "The manager's name.").read_only(),
];

/// `urn:ietf:params:scim:schemas:core:2.0:Group`
pub(super) const GROUP: &[Attribute] = &[
    text("displayName", "The name that people see; unique.").required().unique(),
    plural("members", "Who is in it.", MEMBERS),
];

const MEMBERS: &[Attribute] = &[
    value("The user's id.").exact().with(Mutability::Immutable, Returned::Default),
    Attribute::new("$ref", Kind::Reference(&["User"]), "Where the user is.")
        .with(Mutability::Immutable, Returned::Default),
    text("type", "Users alone are members.")
        .usually(&["User"])
        .with(Mutability::Immutable, Returned::Default),
];
