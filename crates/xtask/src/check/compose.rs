//! The containers of `docker-compose.yml` and `Dockerfile` have no rights they do not need.

use super::{Verdict, verdict_of, yaml::Yaml};
use crate::{
    programs::{Failure, output_of, works},
    workspace::Workspace,
};

/// Every key that a service of ours may have: a mistyped one would be ignored by nobody but the reader.
const SERVICE_KEYS: [&str; 27] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "deploy",
    "environment",
    "healthcheck",
    "image",
    "mem_limit",
    "networks",
    "pids_limit",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "user",
    "volumes",
    "entrypoint",
    "hostname",
    "labels",
    "init",
];

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let text = fs_err::read_to_string(workspace.root.join("docker-compose.yml"))?;
    let compose = Yaml::parse(&text)
        .map_err(|failure| Failure::new(format!("docker-compose.yml, {failure}")))?;
    let dockerfile = fs_err::read_to_string(workspace.root.join("Dockerfile"))?;
    let mut complaints = compose_complaints(&compose);
    complaints.extend(dockerfile_complaints(&dockerfile));
    let has_engine = works("docker", &["compose", "version"]);
    if has_engine {
        let arguments = [
            "compose",
            "--profile",
            "gpu",
            "--profile",
            "s3",
            "config",
            "--quiet",
        ];
        let mut command = std::process::Command::new("docker");
        if let Err(failure) = output_of(command.args(arguments).current_dir(&workspace.root)) {
            complaints.push(failure.to_string());
        }
    }
    verdict_of(complaints).map(|_| {
        (!has_engine).then(|| {
            "ok by our own rules (docker compose is not installed to ask as well)".to_owned()
        })
    })
}

fn compose_complaints(compose: &Yaml) -> Vec<String> {
    let mut complaints = Vec::new();
    let services = compose
        .get("services")
        .map(Yaml::entries)
        .unwrap_or_default();
    for wanted in ["postgres", "server", "worker"] {
        if !services.iter().any(|(name, _)| name == wanted) {
            complaints.push(format!("docker-compose.yml has no service {wanted}"));
        }
    }
    for profile in ["gpu", "s3"] {
        let has_it = |service: &Yaml| {
            service
                .get("profiles")
                .is_some_and(|profiles| profiles.texts().contains(&profile))
        };
        if !services.iter().any(|(_, service)| has_it(service)) {
            complaints.push(format!("docker-compose.yml has no profile {profile}"));
        }
    }
    for (name, service) in services {
        complaints.extend(
            service_complaints(compose, name, service)
                .into_iter()
                .map(|what| format!("service {name}: {what}")),
        );
    }
    complaints
}

fn service_complaints(compose: &Yaml, name: &str, service: &Yaml) -> Vec<String> {
    let mut complaints = Vec::new();
    let list = |key: &str| service.get(key).map(Yaml::texts).unwrap_or_default();
    let text = |key: &str| service.get(key).and_then(Yaml::text).unwrap_or_default();
    let mut want = |holds: bool, what: &str| {
        if !holds {
            complaints.push(what.to_owned());
        }
    };
    want(text("read_only") == "true", "its root must be read-only");
    want(
        list("cap_drop") == ["ALL"],
        "all capabilities must be dropped",
    );
    want(
        list("security_opt").contains(&"no-new-privileges:true"),
        "no-new-privileges must be set",
    );
    want(
        text("pids_limit").parse().is_ok_and(|limit: u32| limit > 0),
        "its processes must be limited",
    );
    want(!text("mem_limit").is_empty(), "its memory must be limited");
    want(
        list("tmpfs")
            .iter()
            .any(|path| path.split(':').next() == Some("/tmp")),
        "/tmp must be a tmpfs",
    );
    want(
        service.get("healthcheck").is_some(),
        "its health must be checked, or the check disabled with a reason",
    );
    want(
        service.get("build").is_some()
            || is_pinned(text("image"))
            || text("image").starts_with("lamina"),
        "its image must name a version",
    );
    want(
        !text("user").starts_with('0') && text("user") != "root",
        "it must not run as root",
    );
    want(
        name != "postgres" || service.get("ports").is_none(),
        "Postgres must have no published port",
    );
    let is_loopback = |port: &&str| port.starts_with("127.0.0.1:");
    want(
        list("ports").iter().all(is_loopback),
        "ports may be published on loopback only",
    );
    for (variable, value) in service
        .get("environment")
        .map(Yaml::entries)
        .unwrap_or_default()
    {
        let is_secret = ["PASSWORD", "SECRET", "TOKEN", "KEY"]
            .iter()
            .any(|word| variable.contains(word));
        want(
            !is_secret || variable.ends_with("_FILE"),
            &format!("{variable} must be a file: secrets do not belong in variables"),
        );
        let value = value.text().unwrap_or_default();
        let has_password = value
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('@'))
            .is_some_and(|(user, _)| user.contains(':'));
        want(!has_password, &format!("{variable} holds a password"));
    }
    // What is named must be there.
    for (kind, section) in [("secrets", "secrets"), ("networks", "networks")] {
        for used in list(kind) {
            want(
                compose.at(&[section, used]).is_some(),
                &format!("{kind}: {used} is not defined"),
            );
        }
    }
    for volume in list("volumes") {
        let source = volume.split(':').next().unwrap_or_default();
        want(
            source.starts_with(['.', '/']) || compose.at(&["volumes", source]).is_some(),
            &format!("volume {source} is not defined"),
        );
        want(
            source != "/" && !volume.contains("docker.sock"),
            "it may not see the host",
        );
    }
    for (dependency, _) in service
        .get("depends_on")
        .map(Yaml::entries)
        .unwrap_or_default()
    {
        want(
            compose.at(&["services", dependency]).is_some(),
            &format!("depends_on: {dependency} is not a service"),
        );
    }
    for (key, _) in service.entries() {
        want(
            SERVICE_KEYS.contains(&key.as_str()),
            &format!("{key} is not a key that we know"),
        );
    }
    complaints
}

/// Whether an image is named with a version of its own, or better a digest.
fn is_pinned(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    image.contains("@sha256:")
        || last
            .split_once(':')
            .is_some_and(|(_, tag)| tag != "latest" && tag.contains(|c: char| c.is_ascii_digit()))
}

fn dockerfile_complaints(dockerfile: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let joined = dockerfile.replace("\\\n", " ");
    // A stage that others only copy from may run as root; one with an entry point is an image.
    let stages: Vec<&str> = joined.split("\nFROM ").skip(1).collect();
    let images: Vec<&&str> = stages
        .iter()
        .filter(|stage| stage.contains("\nENTRYPOINT "))
        .collect();
    if images.is_empty() {
        complaints.push("Dockerfile: no stage has an entry point".to_owned());
    }
    for image in images {
        let name = image.lines().next().unwrap_or_default();
        let user = image
            .lines()
            .filter_map(|line| line.strip_prefix("USER "))
            .next_back()
            .unwrap_or("root");
        if user != "10001:10001" {
            complaints.push(format!(
                "Dockerfile, {name}: runs as {user}, not as 10001:10001"
            ));
        }
        if image.lines().any(|line| line.starts_with("ADD ")) {
            complaints.push(format!(
                "Dockerfile, {name}: COPY, not ADD, which fetches and unpacks"
            ));
        }
    }
    if !joined.contains("HEALTHCHECK ") {
        complaints.push("Dockerfile: no HEALTHCHECK".to_owned());
    }
    for line in joined
        .lines()
        .filter(|line| line.starts_with("ARG ") && line.contains("_IMAGE="))
    {
        let image = line
            .split_once('=')
            .map(|(_, image)| image)
            .unwrap_or_default();
        if !is_pinned(image) && !image.contains("bookworm") {
            complaints.push(format!("Dockerfile: {image} names no version"));
        }
    }
    if joined.contains("pip download") && !joined.contains("--require-hashes") {
        complaints.push("Dockerfile: a package is fetched without its hash".to_owned());
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> (String, String) {
        let workspace = Workspace::find().unwrap();
        let read = |name: &str| fs_err::read_to_string(workspace.root.join(name)).unwrap();
        (read("docker-compose.yml"), read("Dockerfile"))
    }

    #[test]
    fn our_own_files_pass() {
        let (compose, dockerfile) = ours();
        assert_eq!(compose_complaints(&Yaml::parse(&compose).unwrap()), [""; 0]);
        assert_eq!(dockerfile_complaints(&dockerfile), [""; 0]);
    }

    #[test]
    fn each_right_too_many_is_found() {
        let (compose, dockerfile) = ours();
        let faults = [
            ("cap_drop: [ALL]", "cap_drop: [NET_RAW]"),
            ("read_only: true", "read_only: false"),
            ("no-new-privileges:true", "label:disable"),
            ("user: \"999:999\"", "user: \"0:0\""),
            ("\"127.0.0.1:2080:2080\"", "\"2080:2080\""),
            ("lamina@postgres/lamina", "lamina:geheim@postgres/lamina"),
            ("POSTGRES_PASSWORD_FILE", "POSTGRES_PASSWORD"),
            ("postgres:17.6-bookworm", "postgres:latest"),
            ("pids_limit: 512", "pids_limits: 512"),
            ("- postgres:/var/lib", "- elsewhere:/var/lib"),
            ("shm_size: 256m", "ports: [\"127.0.0.1:5432:5432\"]"),
        ];
        for (right, wrong) in faults {
            assert!(compose.contains(right), "{right}");
            let changed = Yaml::parse(&compose.replacen(right, wrong, 1)).unwrap();
            assert!(!compose_complaints(&changed).is_empty(), "{wrong}");
        }
        assert!(
            !dockerfile_complaints(&dockerfile.replace("USER 10001:10001", "USER 0:0")).is_empty()
        );
        assert!(!dockerfile_complaints(&dockerfile.replace("--require-hashes", "")).is_empty());
    }
}
