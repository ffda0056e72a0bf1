//! What a server says about itself (RFC 7643, sections 5 to 7).

use serde_json::{Value, json};

use super::attribute::{Attribute, Case, Kind, Many, Mutability, Returned, Uniqueness};
use super::list::COUNT_MAX;
use super::schema::{SCHEMAS, Schema, Type};

/// What can be done. `base` is the URL that all paths are relative to.
pub fn service_provider_config(base: &str) -> Value {
    let no = json!({"supported": false});
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": COUNT_MAX},
        "changePassword": no,
        "sort": no,
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of gatepost with the scope `scim`, in the header Authorization",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": meta("ServiceProviderConfig", &format!("{base}/ServiceProviderConfig")),
    })
}

/// A type of resources.
pub fn resource_type(base: &str, kind: Type) -> Value {
    let extensions: Vec<Value> = kind
        .extensions()
        .iter()
        .map(|schema| json!({"schema": schema.id, "required": false}))
        .collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name(),
        "name": kind.name(),
        "description": kind.core().description,
        "endpoint": kind.endpoint(),
        "schema": kind.core().id,
        "schemaExtensions": extensions,
        "meta": meta("ResourceType", &format!("{base}/ResourceTypes/{}", kind.name())),
    })
}

/// All types of resources.
pub fn resource_types(base: &str) -> Vec<Value> {
    [Type::User, Type::Group].map(|kind| resource_type(base, kind)).into()
}

/// The schema of this URN, in whatever case it is written.
pub fn schema_document(base: &str, id: &str) -> Option<Value> {
    SCHEMAS
        .iter()
        .find(|schema| schema.id.eq_ignore_ascii_case(id))
        .map(|schema| document(base, schema))
}

/// All schemas.
pub fn schema_documents(base: &str) -> Vec<Value> {
    SCHEMAS.iter().map(|schema| document(base, schema)).collect()
}

fn document(base: &str, schema: &Schema) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": schema.attributes.iter().map(described).collect::<Vec<_>>(),
        "meta": meta("Schema", &format!("{base}/Schemas/{}", schema.id)),
    })
}

fn meta(kind: &str, location: &str) -> Value {
    json!({"resourceType": kind, "location": location})
}

fn described(attribute: &Attribute) -> Value {
    let mut document = json!({
        "name": attribute.name,
        "type": match attribute.kind {
            Kind::Text => "string",
            Kind::Boolean => "boolean",
            Kind::DateTime => "dateTime",
            Kind::Binary => "binary",
            Kind::Reference(_) => "reference",
            Kind::Complex(_) => "complex",
        },
        "multiValued": attribute.many == Many::Several,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case == Case::Exact,
        "mutability": match attribute.mutability {
            Mutability::ReadWrite => "readWrite",
            Mutability::ReadOnly => "readOnly",
            Mutability::Immutable => "immutable",
            Mutability::WriteOnly => "writeOnly",
        },
        "returned": match attribute.returned {
            Returned::Always => "always",
            Returned::Default => "default",
            Returned::Never => "never",
        },
        "uniqueness": match attribute.uniqueness {
            Uniqueness::None => "none",
            Uniqueness::Server => "server",
        },
    });
    if !attribute.usual.is_empty() {
        document["canonicalValues"] = attribute.usual.into();
    }
    if let Kind::Reference(types) = attribute.kind {
        document["referenceTypes"] = types.into();
    }
    if !attribute.parts().is_empty() {
        document["subAttributes"] = attribute.parts().iter().map(described).collect();
    }
    document
}
