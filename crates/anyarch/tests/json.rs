//! Documents of `--json`: their fields, and that stdout holds nothing else.

mod common;
use common::*;
use serde_json::{Value, json};
use std::process::Output;

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const CHANGE: [&str; 10] =
    ["arch", "before", "engine", "flags", "interpreter", "kind", "name", "platforms", "result", "steps"];

#[test]
fn registrations_are_told() {
    let qemu = need_qemu("s390x");
    let register = format!("$A register s390x --engine qemu:{}", qemu.display());
    let told = |script: &str, code: i32| {
        let out = in_instance(script);
        assert_eq!(out.status.code(), Some(code), "{script}: {}", text(&out.stderr));
        let value = document(&out);
        assert_eq!(
            fields(&value),
            ["changes", "dry_run", "failures", "instance", "ok", "schema"],
            "{script}"
        );
        assert_eq!((&value["schema"], &value["ok"]), (&json!(1), &json!(code == 0)), "{script}");
        for change in value["changes"].as_array().unwrap() {
            assert_eq!(fields(change), CHANGE, "{script}");
        }
        value
    };
    let value = told(&format!("{register} --json"), 0);
    let change = &value["changes"][0];
    assert_eq!(value["instance"], "/proc/sys/fs/binfmt_misc");
    assert_eq!((&change["name"], &change["kind"]), (&json!("qemu-s390x"), &json!("register")));
    assert_eq!((&change["result"], &change["arch"]), (&json!("done"), &json!("s390x")));
    assert_eq!((&change["platforms"], &change["engine"]), (&json!(["linux/s390x"]), &json!("qemu")));
    assert_eq!((&change["interpreter"], &change["flags"]), (&json!(qemu.to_str()), &json!("PF")));
    assert_eq!((&change["before"], change["steps"].as_array().unwrap().len()), (&Value::Null, 1));
    let value = told(&format!("{register} -q; {register} --json"), 0);
    assert_eq!(value["changes"][0]["kind"], "keep");
    // Lines about files that are written are none of the document.
    let value = told(&format!("{register} --json --dry-run --persist=binfmt.d"), 0);
    assert_eq!((&value["dry_run"], &value["changes"][0]["result"]), (&json!(true), &json!("planned")));
    // Somebody else's.
    let theirs = "echo ':qemu-s390x:M::\\x7fELFxx::/bin/true:' >$B/register";
    let value = told(&format!("{theirs}; {register} --json"), 6);
    let change = &value["changes"][0];
    assert_eq!((&change["kind"], &change["result"]), (&json!("leave"), &json!("conflict")));
    assert_eq!(change["before"]["interpreter"], "/bin/true");
    assert_eq!(fields(&change["before"]), ["flags", "interpreter", "maker"]);
    assert_eq!(
        (&value["failures"][0]["code"], fields(&value["failures"][0])),
        (&json!(6), vec!["code", "mend", "what"])
    );
    let value = told(&format!("{theirs}; {register} --replace --json"), 0);
    assert_eq!(value["changes"][0]["kind"], "replace");
    // What fails as a whole is in the document as well.
    let value = told("$A register s390x --engine qemu:/nonexistent --json", 5);
    assert_eq!((&value["changes"], &value["failures"][0]["code"]), (&json!([]), &json!(5)));
    let value = told("$A --binfmt-misc /nonexistent register --json", 4);
    assert_eq!(value["failures"][0]["code"], 4);
    let value = told(&format!("{register} -q; $A unregister --json"), 0);
    let change = &value["changes"][0];
    assert_eq!((&change["kind"], &change["result"]), (&json!("remove"), &json!("done")));
    assert_eq!(
        (&change["arch"], &change["before"]["interpreter"]),
        (&Value::Null, &json!(format!("{}", marked(&qemu))))
    );
    assert_eq!(told("$A unregister --json", 0)["changes"], json!([]));
}

/// The path as anyarch registers it.
fn marked(path: &std::path::Path) -> String {
    anyarch_binfmt::entry::mark(path.to_str().unwrap())
}

#[test]
fn images_are_told() {
    need_qemu("s390x");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let told = |words: &[&str]| {
        let out = anyarch(words);
        assert!(out.status.success(), "{words:?}: {}", text(&out.stderr));
        assert_eq!(text(&out.stderr), "", "{words:?}");
        let value = document(&out);
        assert_eq!(value["schema"], 1, "{words:?}");
        value
    };
    let (layout, archive, bundle) = (at("layout"), at("x.tar"), at("bundle"));
    let engine = format!("qemu:{}", guest("s390x").display());
    let words =
        ["image", "build", "--json", "--to", "s390x", "--engine", &engine, "--version", "9", "-o", &layout];
    let value = told(&words);
    assert_eq!(fields(&value), ["images", "loaded", "name", "output", "pushed", "schema", "version"]);
    assert_eq!((&value["version"], &value["output"]), (&json!("9"), &json!(layout)));
    let images = value["images"].as_array().unwrap();
    assert_eq!(images[0]["tags"], json!(["latest", "9"]));
    let tagged = format!("{layout}:s390x");
    let value = told(&["image", "copy", "--json", &tagged, &archive]);
    assert_eq!(fields(&value), ["destination", "digest", "platform", "schema", "source"]);
    assert_eq!((&value["source"], &value["destination"]), (&json!(tagged), &json!(archive)));
    assert_eq!(value["digest"], images[2]["manifest"]);
    let digest = &value["digest"];
    let value = told(&["image", "inspect", "--json", &layout]);
    assert_eq!(fields(&value), ["digest", "manifests", "mediaType", "name", "schema", "size"]);
    assert_eq!(value["manifests"].as_array().unwrap().len(), 7);
    let value = told(&["image", "inspect", "--json", &archive]);
    assert_eq!((&value["manifests"], &value["digest"]), (&json!([]), digest));
    let value = told(&["image", "unpack", "--json", &archive, &bundle]);
    assert_eq!(fields(&value), ["bundle", "digest", "platform", "schema", "source"]);
    assert_eq!(&value["digest"], digest);
    let out = anyarch(&["image", "unpack", "--json", &archive, &bundle]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), String::new()));
}

#[test]
fn runs_are_told_in_a_file() {
    need_namespaces();
    need_qemu("s390x");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::copy(guest("s390x"), root.join("t")).unwrap();
    let image = crafted(dir.path(), &tar_of(&root));
    let report = dir.path().join("report");
    let told = |words: &[&str], code: i32| {
        let _ = std::fs::remove_file(&report);
        let all = [&["run", "--json", report.to_str().unwrap(), "--engine", "qemu"], words].concat();
        let out = std::process::Command::new(ANYARCH)
            .args(all)
            .env("XDG_CACHE_HOME", dir.path().join("cache"))
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(code), "{words:?}: {}", text(&out.stderr));
        assert_eq!(text(&out.stdout), "");
        let value: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(fields(&value), ["digest", "exit_code", "failure", "platform", "schema", "target"]);
        assert_eq!((&value["schema"], &value["exit_code"]), (&json!(1), &json!(code)), "{words:?}");
        value
    };
    let value = told(&[image.to_str().unwrap()], 42);
    assert_eq!((&value["platform"], &value["failure"]), (&json!("linux/s390x"), &Value::Null));
    assert!(value["digest"].as_str().unwrap().starts_with("sha256:"), "{value}");
    let value = told(&[root.to_str().unwrap(), "--", "/t", "start"], 42);
    assert_eq!((&value["platform"], &value["digest"]), (&Value::Null, &Value::Null));
    let value = told(&[root.to_str().unwrap(), "--", "/none"], 127);
    assert_eq!(
        (&value["failure"]["code"], fields(&value["failure"])),
        (&json!(127), vec!["code", "mend", "what"])
    );
    told(&["./nope"], 9);
    let out = anyarch(&["run", "--json", "/nonexistent/report", root.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(125), "{}", text(&out.stderr));
}
