//! The options that `idol` gets, told by a program that stands in for it, and the errors.
//! `tests/firmware/test_idol_build.py` runs this, and builds crates with the real one.
#![cfg(unix)]

use idol::server::ServerStyle;
use idol::{CounterSettings, Generator};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Variables belong to the whole process.
static TURN: Mutex<()> = Mutex::new(());

struct Stand {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Stand {
    /// Make a folder with an `idol` that writes down its arguments, and runs `body`.
    fn new(name: &str, body: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(|error| error.into_inner());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("idol");
        let record = folder.join("arguments");
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}'\n{body}\n",
            record.display()
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        std::env::set_var("IDOL", &program);
        std::env::set_var("OUT_DIR", &folder);
        Self {
            folder,
            _turn: turn,
        }
    }

    /// Return the arguments before `--cargo`.
    fn options(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("arguments")).unwrap();
        let all: Vec<String> = text.lines().map(str::to_string).collect();
        let end = all.iter().position(|word| word == "--cargo").unwrap();
        let output = self.folder.join("stub.rs").display().to_string();
        assert_eq!(all[end..], ["--cargo", "-o", &output, "--", "../x.idol"]);
        all[..end].to_vec()
    }
}

fn server_options(name: &str, generator: Generator) -> Vec<String> {
    let stand = Stand::new(name, "");
    generator
        .build_server_support("../x.idol", "stub.rs", ServerStyle::InOrder)
        .unwrap();
    stand.options()
}

#[test]
fn defaults_are_those_of_upstream() {
    let stand = Stand::new("client", "");
    idol::client::build_client_stub("../x.idol", "stub.rs").unwrap();
    assert_eq!(stand.options(), ["client", "--counters"]);
    drop(stand);
    let stand = Stand::new("server", "");
    idol::server::build_server_support("../x.idol", "stub.rs", ServerStyle::InOrder).unwrap();
    let expected = [
        "server",
        "--counters",
        "--style=in-order",
        "--fail-server=auto",
    ];
    assert_eq!(stand.options(), expected);
}

#[test]
fn settings_become_options() {
    let counters = CounterSettings::default().with_server_counters(false);
    assert_eq!(
        server_options(
            "uncounted",
            Generator::new().with_counters(counters.clone())
        ),
        ["server", "--style=in-order", "--fail-server=auto"]
    );
    let all = Generator::new()
        .with_counters(
            counters
                .with_server_counters(true)
                .combine_client_errors(true),
        )
        .with_fmt(false)
        .with_error_server()
        .with_op_enum_derives(["serde::Serialize", "Hash"])
        .unwrap();
    assert_eq!(
        server_options("all", all.clone()),
        [
            "server",
            "--derive=serde::Serialize",
            "--derive=Hash",
            "--counters",
            "--no-layout",
            "--style=in-order",
            "--combine-client-errors",
            "--fail-server=always",
        ]
    );
    let without = server_options("without", all.without_error_server());
    assert_eq!(without.last().unwrap(), "--fail-server=never");
    let stand = Stand::new("quiet", "");
    let quiet = CounterSettings::default().with_client_counters(false);
    Generator::new()
        .with_counters(quiet)
        .build_client_stub("../x.idol", "stub.rs")
        .unwrap();
    assert_eq!(stand.options(), ["client"]);
}

#[test]
fn callers_by_index_become_names() {
    let callers = |pairs: &[(&str, &[usize])]| -> BTreeMap<String, Vec<usize>> {
        pairs
            .iter()
            .map(|(name, indices)| (name.to_string(), indices.to_vec()))
            .collect()
    };
    let restricted = |name: &str, table| {
        let stand = Stand::new(name, "");
        idol::server::build_restricted_server_support(
            "../x.idol",
            "stub.rs",
            ServerStyle::InOrder,
            &table,
        )
        .map(|()| stand.options()[4..].to_vec())
    };
    let table = callers(&[("off", &[]), ("on", &[2, 0])]);
    let expected = [
        "--tasks=task_0,task_1,task_2",
        "--allow=off=",
        "--allow=on=task_2,task_0",
    ];
    assert_eq!(restricted("some", table).unwrap(), expected);
    assert_eq!(
        restricted("nobody", callers(&[("off", &[])])).unwrap(),
        ["--allow=off="]
    );
    assert!(restricted("open", callers(&[])).unwrap().is_empty());
    let error = restricted("many", callers(&[("on", &[1024])])).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1024 is not the index of a task"),
        "{error}"
    );
}

#[test]
fn a_stub_can_go_anywhere() {
    let _stand = Stand::new("anywhere", "echo '// a stub'");
    let mut out = Vec::new();
    idol::client::generate_client_stub_from_file(Path::new("x.idol"), &mut out).unwrap();
    assert_eq!(out, b"// a stub\n");
}

#[test]
fn errors_of_idol_are_the_error() {
    let _stand = Stand::new("wrong", "echo 'x.idol:1:2: error: no' >&2; exit 1");
    let error = idol::client::build_client_stub("../x.idol", "stub.rs").unwrap_err();
    let debug = format!("{error:?}"); // what a build script's `main` ends with
    assert!(
        debug.contains("idol client` failed (exit status: 1):\nx.idol:1:2: error: no"),
        "{debug}"
    );
}

#[test]
fn a_missing_command_says_how_to_get_it() {
    let stand = Stand::new("missing", "");
    std::env::set_var("IDOL", stand.folder.join("nowhere"));
    let error = idol::client::build_client_stub("x", "y")
        .unwrap_err()
        .to_string();
    assert!(error.contains("nowhere`, which is not there: install it with `pip install idoldbg`"));
    let path = std::env::var_os("PATH").unwrap();
    std::env::remove_var("IDOL");
    std::env::set_var("PATH", stand.folder.join("nowhere"));
    let error = idol::client::build_client_stub("x", "y")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("not in PATH: install it with `pip install idoldbg`"),
        "{error}"
    );
    std::env::set_var("PATH", &stand.folder);
    idol::client::build_client_stub("x", "y").unwrap();
    std::env::set_var("PATH", path);
    fs::write(stand.folder.join("idol"), "not a program").unwrap();
    fs::set_permissions(stand.folder.join("idol"), fs::Permissions::from_mode(0o644)).unwrap();
    std::env::set_var("IDOL", stand.folder.join("idol"));
    let error = idol::client::build_client_stub("x", "y")
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not run"), "{error}");
}

#[test]
fn outside_of_a_build_script_there_is_an_error() {
    let _stand = Stand::new("outside", "");
    std::env::remove_var("OUT_DIR");
    let error = idol::client::build_client_stub("x", "y").unwrap_err();
    assert!(error.to_string().contains("OUT_DIR is not set"));
}

#[test]
fn names_that_cargo_would_misread_are_refused() {
    let _stand = Stand::new("misread", "");
    let error = idol::client::build_client_stub("x\ncargo:y", "z").unwrap_err();
    assert!(error.to_string().contains("control characters"));
}
