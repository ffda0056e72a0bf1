//! SCIM: filters, PATCH and bodies as values, and whole sidecars that identity providers talk to.

mod defects;
mod differential;
mod filters;
mod names;
mod pages;
mod patches;
mod rights;
mod rows;
mod secrets;
mod sizes;
mod sync;
mod tokens;
mod wholes;
