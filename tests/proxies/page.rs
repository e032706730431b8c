//! The commands under "Five minutes" in `docs/proxies.md` run as they are written, but for the ports, and do what the page says.

use super::{Kind, listening, reserved};
use crate::envoy::PATIENCE;
use crate::readme::{Block, blocks};
use crate::support::program;
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

const PAGE: &str = include_str!("../../docs/proxies.md");

/// Takes a command apart, in the place of the real curl.
const CURL: &str = "curl() { printf '%s\\n' \"$@\" END; }\n";

/// A shell in this folder, which finds the programs of the tests.
fn shell(folder: &Path, script: &str) -> Command {
    let mut shell = Command::new("sh");
    let path = format!("{}:/usr/bin:/bin", folder.parent().unwrap().join("bin").display());
    shell.args(["-eu", "-c", script]).current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
    shell
}

/// Runs commands that end, and returns their output.
async fn run(folder: &Path, script: &str) -> String {
    let mut shell = shell(folder, script);
    shell.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the commands of a block. Those that end in `&` go on running.
async fn follow(folder: &Path, text: &str) -> Vec<Process> {
    let mut running = Vec::new();
    let mut script = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_suffix(" &") {
            run(folder, &script).await;
            script.clear();
            // Caddy's admin interface has a fixed port.
            if let Ok(file) = fs::read_to_string(folder.join("Caddyfile")) {
                fs::write(folder.join("Caddyfile"), format!("{{\n\tadmin off\n}}\n{file}")).unwrap();
            }
            running.push(Process::start("page", shell(folder, &format!("exec {command}"))).unwrap());
        } else {
            writeln!(script, "{line}").unwrap();
        }
    }
    run(folder, &script).await;
    running
}

pub(super) async fn runs(kind: Kind) {
    let top = tempfile::tempdir().unwrap();
    let (folder, bin) = (top.path().join("trial"), top.path().join("bin"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&bin).unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(checkout.join("examples"), top.path().join("examples")).unwrap();
    symlink(program("MODGUD_TEST_PYTHON"), bin.join("python3")).unwrap();
    symlink(env!("CARGO_BIN_EXE_modgud"), bin.join("modgud")).unwrap();
    symlink(program(&format!("MODGUD_TEST_{}", kind.name().to_uppercase())), bin.join(kind.name())).unwrap();

    let ((_modgud, http), (_proxy, address)) = (reserved(), reserved());
    let module = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let changed = |text: &str| {
        text.replace("127.0.0.1:9193", &http.to_string())
            .replace("127.0.0.1:8000", &address.to_string())
            .replace("127.0.0.1:8080", &module.to_string())
            .replace("app.py 8080", &format!("app.py {}", module.port()))
            .replace("modgud serve", "modgud serve --grpc 127.0.0.1:0 --admin 127.0.0.1:0")
    };
    let blocks = blocks(PAGE);
    let of = |info: &str| -> Vec<&Block> { blocks.iter().filter(|block| block.info == info).collect() };
    let configuration = changed(&of("yaml modgud")[0].text).replace("proxy: nginx", &format!("proxy: {}", kind.name()));
    fs::write(folder.join("modgud.yaml"), configuration).unwrap();

    let common = of("sh trial");
    let [start, requests] = common.as_slice() else { panic!("{} blocks `sh trial`", common.len()) };
    let [proxy] = of(&format!("sh trial {}", kind.name()))[..] else { panic!("no block for {}", kind.name()) };
    let mut running = follow(&folder, &changed(&start.text)).await;
    let mut server = running.pop().unwrap();
    server.wait_for(PATIENCE, |line| line.contains("serving").then_some(())).await.unwrap();
    let mut app = running.pop().unwrap();
    app.wait_for(PATIENCE, |line| line.contains("listening").then_some(())).await.unwrap();
    let mut proxies = follow(&folder, &changed(&proxy.text)).await;
    let mut proxy = proxies.pop().unwrap();
    listening(address, &mut proxy).await;

    let printed = run(&folder, &format!("{CURL}{}", requests.text)).await;
    let expected: Vec<&str> = requests
        .text
        .lines()
        .filter(|line| line.starts_with("curl"))
        .map(|line| line.split_once("# ").unwrap().1)
        .collect();
    let commands: Vec<&str> = printed.split_terminator("END\n").collect();
    assert!(commands.len() == expected.len() && commands.len() > 2, "{printed}");
    for (command, expected) in commands.iter().zip(expected) {
        let mut arguments = command.lines();
        assert_eq!(arguments.next(), Some("-i"));
        let path = arguments.next().unwrap().strip_prefix("http://127.0.0.1:8000").unwrap();
        let headers: Vec<(&str, &str)> = arguments.filter_map(|argument| argument.split_once(": ")).collect();
        let answer = Exchange::send(address, "GET", path, &headers).await.unwrap();
        let body = String::from_utf8_lossy(&answer.body).to_lowercase();
        assert!(expected.starts_with(&answer.status.to_string()), "{expected}: {} {body}", answer.status);
        let user = body.lines().find(|line| line.starts_with("x-user"));
        let named = expected.split_once("with ").map(|(_, header)| header);
        assert_eq!(user, named, "{expected}: {body}");
        assert!(
            answer.status != 200 || body.starts_with(&format!("get {}", path.trim_start_matches("/orders"))),
            "{body}"
        );
    }
    for process in [proxy, server, app] {
        process.end().await;
    }
}
