//! What is current: the files of a root, the one task that reads them, and the one pointer to what they say.
//!
//! Files → [`Tree`] → sources → snapshot → [`Live`]. Events of the file system are hints to look; what counts is the
//! content that a look finds. A look that ends in a fault changes nothing but the [`Status`].
//!
//! Deliberately absent: HTTP.

mod compile;
mod files;
mod links;
mod live;
mod loader;
mod managed;
mod manifest;
mod watch;
mod writer;

pub use compile::{Compiled, NextError, compile, compile_files, compile_next, load, load_files};
pub use files::{File, FileLimits, Kind, Names, Tree, is_root, read};
pub use live::{Generation, Live, Pending, Standing, Status, Watching, standing};
pub use loader::{Event, Loader, LoaderSettings};
pub use managed::FileChange;
pub use writer::{
    AccessDiff, Actor, AuditSettings, Channel, Claim, Claims, Denied, Done, Expected, LevelChange, Order, Refusal,
    RoleChange, TokenChange, TokenLine, Writer, record_token,
};
