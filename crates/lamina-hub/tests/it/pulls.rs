//! Pulls that are interrupted, redirected, or lied to.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use lamina_hub::{CatalogEntry, Hub, HubError, HubOptions, pull};
use lamina_inference::ModelPackage;

use crate::catalog::packages;
use lamina_testkit::hub::{FakeHub, File, Request, hash, onnx, status};

pub const REVISION: &str = "0123456789012345678901234567890123456789";

/// An entry with one graph, pinned or not.
pub fn entry(pin: Option<&[u8]>) -> CatalogEntry {
    let (hub, file) = match pin {
        Some(bytes) => (
            format!("revision = \"{REVISION}\"\nevidence = \"this test\"\n"),
            format!("sha256 = \"{}\"\nbytes = {}\n", hash(bytes), bytes.len()),
        ),
        None => (String::new(), String::new()),
    };
    let text = format!(
        "labels = \"coco-80\"\n[hub]\nrepository = \"lamina/test\"\n{hub}\n[[files]]\nfrom = \"onnx/model.onnx\"\n\
         role = \"model\"\n{file}\n[package]\nname = \"test\"\nversion = \"1\"\ntask = \"object-detection\"\n\
         family = \"detector\"\nlicence = \"MIT\"\ndescription = \"d\"\nsource = \"s\"\n[package.image]\nsize = 64\n\
         resize = \"stretch\"\nfilter = \"bilinear\"\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n[package.detector]\n\
         layout = \"detr\"\nscore_threshold = 0.5\n[package.batch]\nmax_batch = 1\n"
    );
    CatalogEntry::parse(&text, Path::new("test")).unwrap()
}

pub fn client(hub: &FakeHub) -> Hub {
    let options = HubOptions {
        mirror: Some(hub.base.clone()),
        token: Some("secret".to_owned()),
        ..HubOptions::default()
    };
    Hub::new(options).unwrap()
}

fn starts(requests: &[Request]) -> Vec<usize> {
    requests.iter().map(Request::range_start).collect()
}

#[test]
fn a_connection_that_breaks_off_is_taken_up_where_it_broke() {
    for pinned in [true, false] {
        let bytes = onnx("breaks", 10_000);
        let served = bytes.clone();
        let hub = FakeHub::new(move |request, stream| {
            let cut_after = (request.earlier < 3).then_some(2_500);
            File {
                cut_after,
                ..File::new(&served)
            }
            .send(request, stream);
        });
        let target = tempfile::tempdir().unwrap();
        let entry = entry(pinned.then_some(bytes.as_slice()));
        let most = Mutex::new(0);
        let mut tell = |progress: lamina_hub::Progress<'_>| {
            let mut most = most.lock().unwrap();
            assert!(progress.done >= *most, "goes back");
            *most = progress.done;
        };
        let pulled = pull(&entry, &client(&hub), target.path(), &mut tell).unwrap();
        assert_eq!(starts(&hub.requests()), [0, 2_500, 5_000, 7_500]);
        assert_eq!(fs_err::read(pulled.dir.join("model.onnx")).unwrap(), bytes);
        ModelPackage::open(&pulled.dir).unwrap();
    }
}

#[test]
fn a_later_run_goes_on_and_checks_what_the_earlier_one_left() {
    let bytes = onnx("later", 10_000);
    let (served, is_up) = (bytes.clone(), std::sync::Arc::new(AtomicBool::new(false)));
    let up = std::sync::Arc::clone(&is_up);
    let hub = FakeHub::new(move |request, stream| {
        // Down: the first request brings half, the others nothing.
        let half = if request.earlier == 0 { 5_000 } else { 0 };
        let cut_after = (!up.load(Ordering::Relaxed)).then_some(half);
        File {
            cut_after,
            ..File::new(&served)
        }
        .send(request, stream);
    });
    let target = tempfile::tempdir().unwrap();
    let entry = entry(None);
    let broken = pull(&entry, &client(&hub), target.path(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(broken, HubError::BrokenOff { at: 5_000, .. }),
        "{broken}"
    );
    assert!(packages(target.path()).is_empty());

    is_up.store(true, Ordering::Relaxed);
    let before = hub.requests().len();
    pull(&entry, &client(&hub), target.path(), &mut |_| {}).unwrap();
    assert_eq!(starts(&hub.requests()[before..]), [5_000]);

    // Rot in what is left of an interrupted pull is found at the end, and thrown away.
    let target = tempfile::tempdir().unwrap();
    let staging = target.path().join(".pull-test");
    fs_err::create_dir_all(&staging).unwrap();
    fs_err::write(staging.join("model.onnx.part"), vec![7; 5_000]).unwrap();
    let entry = super::pulls::entry(Some(&bytes));
    let refused = pull(&entry, &client(&hub), target.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(refused, HubError::Hash { .. }), "{refused}");
    assert!(packages(target.path()).is_empty() && !staging.join("model.onnx.part").exists());
    pull(&entry, &client(&hub), target.path(), &mut |_| {}).unwrap();
}

#[test]
fn a_file_that_changed_in_between_is_begun_anew() {
    let (old, new) = (onnx("old", 8_000), onnx("new", 8_000));
    let served = new.clone();
    let hub = FakeHub::new(move |request, stream| {
        if request.earlier == 0 {
            File {
                cut_after: Some(3_000),
                ..File::new(&old)
            }
            .send(request, stream);
        } else {
            File::new(&served).send(request, stream);
        }
    });
    let target = tempfile::tempdir().unwrap();
    let pulled = pull(&entry(None), &client(&hub), target.path(), &mut |_| {}).unwrap();
    assert_eq!(fs_err::read(pulled.dir.join("model.onnx")).unwrap(), new);
}

#[test]
fn servers_without_ranges_or_names_for_content_work_too() {
    for (takes_ranges, has_etag) in [(false, true), (true, false), (false, false)] {
        let bytes = onnx("plain", 6_000);
        let served = bytes.clone();
        let hub = FakeHub::new(move |request, stream| {
            let mut file = File::new(&served);
            file.takes_ranges = takes_ranges;
            file.cut_after = (request.earlier == 0).then_some(2_000);
            if !has_etag {
                file.etag = None;
            }
            file.send(request, stream);
        });
        let target = tempfile::tempdir().unwrap();
        let entry = entry(Some(&bytes));
        let pulled = pull(&entry, &client(&hub), target.path(), &mut |_| {}).unwrap();
        assert_eq!(fs_err::read(pulled.dir.join("model.onnx")).unwrap(), bytes);
    }
}

#[test]
fn redirects_are_followed_without_the_token_and_the_commit_is_kept() {
    let bytes = onnx("far", 4_000);
    let served = bytes.clone();
    let store = FakeHub::new(move |request, stream| File::new(&served).send(request, stream));
    let (location, said) = (store.base.clone(), hash(&bytes));
    let hub = FakeHub::new(move |_, stream| {
        let headers = format!(
            "location: {location}/blob?signature=x\r\nx-repo-commit: {REVISION}\r\nx-linked-etag: \"{said}\"\r\n"
        );
        status(stream, 302, &headers);
    });
    let target = tempfile::tempdir().unwrap();
    let pulled = pull(&entry(None), &client(&hub), target.path(), &mut |_| {}).unwrap();
    assert_eq!(pulled.revision.as_deref(), Some(REVISION));
    let (home, away) = (hub.requests(), store.requests());
    assert_eq!(
        home[0].headers.get("authorization").map(String::as_str),
        Some("Bearer secret")
    );
    assert!(
        !away[0].headers.contains_key("authorization"),
        "{:?}",
        away[0]
    );
    assert_eq!(away[0].path, "/blob?signature=x");
}
