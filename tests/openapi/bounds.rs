//! Descriptions that are too large, too deep or no text are refused, and quickly.

use super::openapi;
use std::fs;

#[tokio::test]
async fn what_is_beyond_all_bounds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let deep = |many: usize, open: &str, close: &str| {
        format!("{{\"openapi\": \"3.0.0\", \"x\": {}1{}}}", open.repeat(many), close.repeat(many)).into_bytes()
    };
    let aliases = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                   d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    for (name, content, expected) in [
        ("huge", vec![b' '; 16 * 1024 * 1024 + 1], "the file is larger than 16777216 bytes"),
        ("lists", deep(100_000, "[", "]"), "nested deeper than 64 levels"),
        ("maps", deep(20_000, "{\"a\":", "}"), "nested deeper than 64 levels"),
        ("aliases", aliases.as_bytes().to_vec(), "has more values than the limit for an API description"),
        ("bytes", vec![0xff, 0xfe], "the file is not UTF-8 text"),
        ("empty", Vec::new(), "is not an API description"),
        ("twice", b"{ openapi: 3.0.0, paths: {}, paths: {} }".to_vec(), "duplicate"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
        for command in ["check", "rules"] {
            let output = openapi(folder.path(), &[command, name, "--module", "crm"]).await;
            assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{name}");
            assert!(
                output.err.starts_with(&format!("modgud: {name}:")) && output.err.contains(expected),
                "{name}: {}",
                output.err
            );
        }
    }
    let missing = openapi(folder.path(), &["check", "missing"]).await;
    assert_eq!(missing.err, "modgud: missing: No such file or directory (os error 2)\n");
}
