//! Rust stubs of Idol interfaces, for build scripts.
//!
//! The functions are those of the crate `idol` of oxidecomputer/idolatry that build scripts use, with
//! the same names, arguments and defaults; the work is done by the command `idol` (`pip install
//! idoldbg`). In a workspace whose crates say `idol = { workspace = true }`, one line changes:
//!
//! ```toml
//! idol = { package = "idol-build", path = "path/to/crates/idol-build" }
//! ```
//!
//! The environment variable `IDOL` names the command if it is not in `PATH`. Cargo runs a build script
//! again when its interface, the command or that variable has changed. What upstream offers for its
//! own syntax trees and token streams is not here.

use std::env;
use std::error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The result of every function that generates something, as upstream has it.
type Result<T> = std::result::Result<T, Box<dyn error::Error + Send + Sync>>;

/// Most tasks that an image has: the bits of a task's index in a `TaskId`.
const MAX_TASKS: usize = 1 << 10;

/// Why nothing was generated. `Debug` is the message too: build scripts end with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Error {}

/// Whether calls and their outcomes are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CounterSettings {
    combine_client_errors: bool,
    client_counters: bool,
    server_counters: bool,
}

impl Default for CounterSettings {
    /// Both kinds of stubs count, unless the feature `no-counters` is set.
    fn default() -> Self {
        Self {
            combine_client_errors: false,
            client_counters: !cfg!(feature = "no-counters"),
            server_counters: !cfg!(feature = "no-counters"),
        }
    }
}

impl CounterSettings {
    /// Let servers count, or not.
    pub fn with_server_counters(self, server_counters: bool) -> Self {
        Self {
            server_counters,
            ..self
        }
    }

    /// Let clients count, or not.
    pub fn with_client_counters(self, client_counters: bool) -> Self {
        Self {
            client_counters,
            ..self
        }
    }

    /// Count faults of clients once for the whole server, not for each operation.
    pub fn combine_client_errors(self, combine_client_errors: bool) -> Self {
        Self {
            combine_client_errors,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorServer {
    Auto,
    Always,
    Never,
}

/// What to generate, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Generator {
    counters: CounterSettings,
    fmt: bool,
    derives: Vec<String>,
    error_server: ErrorServer,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl Generator {
    /// The defaults: counters as [`CounterSettings::default`] has them, formatted text, an error
    /// server where all operations have the same error.
    pub fn new() -> Self {
        Self {
            counters: CounterSettings::default(),
            fmt: true,
            derives: Vec::new(),
            error_server: ErrorServer::Auto,
        }
    }

    /// Choose what is counted.
    pub fn with_counters(self, counters: CounterSettings) -> Self {
        Self { counters, ..self }
    }

    /// Lay the text out for people, or leave that.
    pub fn with_fmt(self, fmt: bool) -> Self {
        Self { fmt, ..self }
    }

    /// Generate no server that fails every call.
    pub fn without_error_server(self) -> Self {
        Self {
            error_server: ErrorServer::Never,
            ..self
        }
    }

    /// Generate a server that fails every call; an error if operations differ in their errors.
    pub fn with_error_server(self) -> Self {
        Self {
            error_server: ErrorServer::Always,
            ..self
        }
    }

    /// Derive more traits for the operation enum. Paths are checked when something is generated.
    pub fn with_op_enum_derives<T>(
        self,
        derives: impl IntoIterator<Item = T>,
    ) -> std::result::Result<Self, Error>
    where
        T: AsRef<str>,
    {
        let derives = derives
            .into_iter()
            .map(|path| path.as_ref().to_string())
            .collect();
        Ok(Self { derives, ..self })
    }

    /// Write the client stub of an interface to `stub_name` in `OUT_DIR`.
    pub fn build_client_stub(&self, source: &str, stub_name: &str) -> Result<()> {
        build(source, stub_name, self.client_options())
    }

    /// Write the client stub of an interface to `out`. Cargo is told nothing.
    pub fn generate_client_stub_from_file(
        &self,
        source: impl AsRef<Path>,
        mut out: impl Write,
    ) -> Result<()> {
        let mut options = self.client_options();
        options.extend(["--".into(), source.as_ref().into()]);
        out.write_all(&run(&find_idol()?, &options)?)?;
        Ok(())
    }

    /// Write the server stub of an interface to `stub_name` in `OUT_DIR`.
    pub fn build_server_support(
        &self,
        source: &str,
        stub_name: &str,
        style: server::ServerStyle,
    ) -> Result<()> {
        build(source, stub_name, self.server_options(style))
    }

    /// The same, of a server some of whose operations are open to some tasks only, by their index.
    pub fn build_restricted_server_support(
        &self,
        source: &str,
        stub_name: &str,
        style: server::ServerStyle,
        allowed_callers: &std::collections::BTreeMap<String, Vec<usize>>,
    ) -> Result<()> {
        let mut options = self.server_options(style);
        options.extend(allow(allowed_callers)?);
        build(source, stub_name, options)
    }

    fn client_options(&self) -> Vec<OsString> {
        self.options("client", self.counters.client_counters)
    }

    fn server_options(&self, style: server::ServerStyle) -> Vec<OsString> {
        let mut options = self.options("server", self.counters.server_counters);
        let server::ServerStyle::InOrder = style;
        options.push("--style=in-order".into());
        if self.counters.server_counters && self.counters.combine_client_errors {
            options.push("--combine-client-errors".into());
        }
        options.push(
            match self.error_server {
                ErrorServer::Auto => "--fail-server=auto",
                ErrorServer::Always => "--fail-server=always",
                ErrorServer::Never => "--fail-server=never",
            }
            .into(),
        );
        options
    }

    fn options(&self, kind: &str, counters: bool) -> Vec<OsString> {
        let mut options = vec![OsString::from(kind)];
        options.extend(
            self.derives
                .iter()
                .map(|path| format!("--derive={path}").into()),
        );
        if counters {
            options.push("--counters".into());
        }
        if !self.fmt {
            options.push("--no-layout".into());
        }
        options
    }
}

/// Client stubs.
pub mod client {
    use super::{Generator, Result};
    use std::io::Write;
    use std::path::Path;

    /// [`Generator::build_client_stub`] with the defaults.
    pub fn build_client_stub(source: &str, stub_name: &str) -> Result<()> {
        Generator::default().build_client_stub(source, stub_name)
    }

    /// [`Generator::generate_client_stub_from_file`] with the defaults.
    pub fn generate_client_stub_from_file(source: impl AsRef<Path>, out: impl Write) -> Result<()> {
        Generator::default().generate_client_stub_from_file(source, out)
    }
}

/// Server stubs.
pub mod server {
    use super::{Generator, Result};
    use std::collections::BTreeMap;

    /// When a server answers.
    pub enum ServerStyle {
        /// Before it receives the next message.
        InOrder,
    }

    /// [`Generator::build_server_support`] with the defaults.
    pub fn build_server_support(source: &str, stub_name: &str, style: ServerStyle) -> Result<()> {
        Generator::default().build_server_support(source, stub_name, style)
    }

    /// [`Generator::build_restricted_server_support`] with the defaults.
    pub fn build_restricted_server_support(
        source: &str,
        stub_name: &str,
        style: ServerStyle,
        allowed_callers: &BTreeMap<String, Vec<usize>>,
    ) -> Result<()> {
        Generator::default().build_restricted_server_support(
            source,
            stub_name,
            style,
            allowed_callers,
        )
    }
}

/// Run `idol` into a file of `OUT_DIR`, and tell cargo what the file depends on.
fn build(source: &str, stub_name: &str, mut options: Vec<OsString>) -> Result<()> {
    let folder = env::var_os("OUT_DIR")
        .ok_or_else(|| Error("OUT_DIR is not set: this runs in a build script of cargo".into()))?;
    if source.contains(char::is_control) {
        let message = format!("{source:?} cannot be told to cargo: it has control characters");
        return Err(Error(message).into());
    }
    println!("cargo:rerun-if-env-changed=IDOL");
    // A build that failed is tried again when its cause may be gone.
    println!("cargo:rerun-if-changed={source}");
    let idol = find_idol()?;
    println!("cargo:rerun-if-changed={}", idol.display());
    let output = Path::new(&folder).join(stub_name);
    options.extend([
        "--cargo".into(),
        "-o".into(),
        output.into(),
        "--".into(),
        source.into(),
    ]);
    let directives = run(&idol, &options)?;
    std::io::stdout().write_all(&directives)?;
    Ok(())
}

/// Return the options for a table of callers by index: `idol` knows tasks by name.
fn allow(callers: &std::collections::BTreeMap<String, Vec<usize>>) -> Result<Vec<OsString>> {
    let Some(last) = callers.values().flatten().max() else {
        return Ok(callers
            .keys()
            .map(|operation| format!("--allow={operation}=").into())
            .collect());
    };
    if *last >= MAX_TASKS {
        return Err(Error(format!(
            "{last} is not the index of a task: there are {MAX_TASKS} at most"
        ))
        .into());
    }
    let names = |indices: &mut dyn Iterator<Item = usize>| {
        indices
            .map(|index| format!("task_{index}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let mut options = vec![OsString::from(format!(
        "--tasks={}",
        names(&mut (0..=*last))
    ))];
    for (operation, indices) in callers {
        let names = names(&mut indices.iter().copied());
        options.push(format!("--allow={operation}={names}").into());
    }
    Ok(options)
}

/// Return the path of the command `idol`: that of the variable `IDOL`, or the first in `PATH`.
fn find_idol() -> Result<PathBuf> {
    let name = env::var_os("IDOL").filter(|name| !name.is_empty());
    let wanted = name.clone().unwrap_or_else(|| "idol".into());
    let found = if Path::new(&wanted).components().count() > 1 {
        Some(PathBuf::from(&wanted)).filter(|path| path.is_file())
    } else {
        search(&wanted)
    };
    found.ok_or_else(|| {
        let wanted = wanted.to_string_lossy();
        let reason = match name {
            Some(_) => format!("the variable IDOL names `{wanted}`, which is not there"),
            None => "the command `idol`, which generates Rust stubs, is not in PATH".to_string(),
        };
        let advice =
            "install it with `pip install idoldbg` (Python 3.11 or later), or set IDOL to its path";
        Error(format!("{reason}: {advice}")).into()
    })
}

fn search(name: &OsStr) -> Option<PathBuf> {
    let mut file = name.to_os_string();
    if Path::new(name).extension().is_none() {
        file.push(env::consts::EXE_SUFFIX);
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
}

/// Run `idol` and return what it prints; what it says of errors becomes the error.
fn run(idol: &Path, options: &[OsString]) -> Result<Vec<u8>> {
    let done = Command::new(idol)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error(format!("{} does not run: {error}", idol.display())))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let kind = options
        .first()
        .map(|kind| kind.to_string_lossy())
        .unwrap_or_default();
    let program = idol.display();
    Err(Error(format!(
        "`{program} {kind}` failed ({}):\n{}",
        done.status,
        said.trim_end()
    ))
    .into())
}
