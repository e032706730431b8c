//! How a server stops, and that its output has no secret.

use super::process::{Serving, run};
use modgud_core::jose::{Algorithm, SigningKey};
use rustix::process::Signal;
use std::fs;

#[tokio::test]
async fn a_signal_ends_serving_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let pem = SigningKey::generate(Algorithm::Rs256).unwrap().public_pem().unwrap();
    for (signal, how) in [(Signal::TERM, "graceful"), (Signal::INT, "immediate")] {
        let output = Serving::start(folder.path(), &pem, &[]).await.end(signal).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{signal:?}");
        let events: Vec<serde_json::Value> =
            output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let leaving = events.iter().find(|event| event["message"] == "shutting down").unwrap();
        assert_eq!(leaving["how"], how, "{signal:?}");
        assert_eq!(events.last().unwrap()["message"], "stopped", "{signal:?}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let stranger = SigningKey::generate(Algorithm::Rs256).unwrap();
    let (private_pem, public_pem) = (key.private_text().unwrap(), key.public_pem().unwrap());
    fs::write(folder.path().join("good.pem"), private_pem.expose_secret()).unwrap();
    fs::write(folder.path().join("bad.pem"), stranger.private_text().unwrap().expose_secret()).unwrap();
    for log in ["json", "text"] {
        fs::write(
            folder.path().join("modgud.yaml"),
            format!("profile: bifrost\ntelemetry: {{ log: {log}, decisions: all }}\n"),
        )
        .unwrap();
        let serving = Serving::start(folder.path(), &public_pem, &["--config", "modgud.yaml"]).await;
        let content = private_pem.expose_secret().lines().filter(|line| !line.starts_with("--"));
        let mut secrets: Vec<String> = content.map(str::to_owned).collect();
        let mut output = String::new();
        for (file, code) in [("good.pem", 0), ("bad.pem", 3)] {
            let file = folder.path().join(file);
            let minted = run(&["token", "mint", "--key", file.to_str().unwrap()]).await;
            let token = minted.out.trim_end();
            let header = format!("Authorization: JWT {token}");
            let address = serving.grpc.to_string();
            let called = run(&["call", &address, "--path", "/crm/?access_token=canary", "-H", &header]).await;
            assert_eq!(called.code, Some(code), "{called:?}");
            output.extend([called.out, called.err]);
            secrets.extend(token.split('.').skip(1).map(str::to_owned));
        }
        secrets.push("canary".to_owned());
        let metrics = modgud_testbed::http::Exchange::get(serving.admin, "/metrics").await.unwrap();
        output.push_str(&String::from_utf8(metrics.body).unwrap());
        let ended = serving.end(Signal::TERM).await;
        assert_eq!(ended.out.matches("/crm/").count(), 2, "both decisions are logged:\n{}", ended.out);
        output.extend([ended.out, ended.err]);
        for secret in secrets {
            assert!(!output.contains(&secret), "{log}: `{secret}` is in\n{output}");
        }
    }
}
