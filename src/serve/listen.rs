//! Addresses to listen on: loopback TCP, and Unix sockets in a directory of their own.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8180`
    Tcp(SocketAddr),
    /// `unix:/run/gatepost/gatepost.sock`
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err("`unix:` needs a path, as in `unix:/run/gatepost/gatepost.sock`".to_owned());
            }
            return Ok(Self::Unix(path.into()));
        }
        let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        named.as_deref().unwrap_or(text).parse().map(Self::Tcp).map_err(|_| {
            format!("`{text}` is no address: write `127.0.0.1:8180`, `[::1]:8180` or `unix:/path/to.sock`")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Reachable from other machines, and nobody would have to say who they are.
    #[error(
        "refusing to listen on `{0}`: it is not a loopback address, and whoever is on the way would read and \
         change what is said; listen on `127.0.0.1` or on a Unix socket"
    )]
    NotLoopback(SocketAddr),
    /// A server is there already.
    #[error("cannot listen on `{0}`: another process is listening there")]
    InUse(Address),
    /// Something that is no socket is there.
    #[error("cannot listen on `unix:{0}`: there is something there that is no socket")]
    NoSocket(PathBuf),
    /// Anything else that the system says.
    #[error("cannot listen on `{address}`: {error}")]
    Io {
        /// The address.
        address: Address,
        /// What the system says.
        error: io::Error,
    },
}

/// A socket that is listened on.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, and the file to remove in the end.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket, removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: a successor's socket at the same path is not ours to remove.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: PathBuf) -> Self {
        let identity = identity(&path);
        Self { path, identity }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // Nothing depends on it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Listener {
    /// The address that was bound, with the port that the system chose if it was to choose.
    pub fn address(&self) -> Address {
        match self {
            Self::Tcp(listener) => {
                let unspecified = SocketAddr::from(([127, 0, 0, 1], 0));
                Address::Tcp(listener.local_addr().unwrap_or(unspecified))
            }
            Self::Unix(_, file) => Address::Unix(file.path.clone()),
        }
    }
}

/// Listens on an address.
///
/// # Errors
/// The address is not on loopback, is in use, or the system refuses.
pub async fn bind(address: &Address) -> Result<Listener, BindError> {
    match address {
        Address::Tcp(socket) if !is_loopback(socket.ip()) => Err(BindError::NotLoopback(*socket)),
        Address::Tcp(socket) => match TcpListener::bind(socket).await {
            Ok(listener) => Ok(Listener::Tcp(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse(address.clone())),
            Err(error) => Err(BindError::Io {
                address: address.clone(),
                error,
            }),
        },
        Address::Unix(path) => bind_unix(path).await,
    }
}

/// 127.0.0.0/8 and ::1, and nothing that only looks like them.
fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let io_error = |error| BindError::Io {
        address: Address::Unix(path.to_owned()),
        error,
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Ours alone: whoever may not enter cannot ask, and cannot put another socket in its place.
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o750).create(parent).map_err(io_error)?;
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => {
            use std::os::unix::fs::FileTypeExt;
            if !metadata.file_type().is_socket() {
                return Err(BindError::NoSocket(path.to_owned()));
            }
            // Only a socket that nobody listens on is dead; a busy one refuses in other ways.
            match tokio::net::UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => return Err(BindError::InUse(Address::Unix(path.to_owned()))),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(error)),
    }
    // Bound in a directory that nobody else can enter and moved into place from there, so that nobody meets it with other
    // rights, nor finds none where a dead one was.
    let nursery = parent.join(format!(".gatepost-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&nursery);
    std::fs::DirBuilder::new().mode(0o700).create(&nursery).map_err(io_error)?;
    let fresh = nursery.join("sock");
    let placed = UnixListener::bind(&fresh).and_then(|listener| {
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o660))?;
        std::fs::rename(&fresh, path)?;
        Ok(listener)
    });
    let _ = std::fs::remove_dir_all(&nursery);
    let listener = placed.map_err(io_error)?;
    Ok(Listener::Unix(listener, SocketFile::new(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in ["127.0.0.1:8180", "[::1]:8180", "unix:/run/gatepost/gatepost.sock"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        assert_eq!(
            "localhost:1".parse::<Address>().expect("a name for loopback").to_string(),
            "127.0.0.1:1"
        );
        for text in ["", "8180", "example.com:80", "unix:", "127.0.0.1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_not_loopback_is_refused() {
        for text in [
            "0.0.0.0:0",
            "[::]:0",
            "192.168.1.1:0",
            "[::ffff:0.0.0.0]:0",
            "[::ffff:127.0.0.1]:0",
        ] {
            let address = text.parse().expect(text);
            assert!(matches!(bind(&address).await, Err(BindError::NotLoopback(_))), "{text}");
        }
    }
}
