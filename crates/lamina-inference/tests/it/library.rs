//! Loading the library and choosing a device.

use std::path::Path;

use lamina_inference::{
    Device, DeviceChoice, ErrorClass, InferenceError, RUNTIME_VERSION, Runtime, RuntimeError,
};

use crate::support::library;

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[test]
fn the_library_loads_and_says_its_version() {
    let runtime = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
    assert_eq!(runtime.device(), &Device::Cpu);
    assert!(runtime.version().starts_with("1."), "{}", runtime.version());
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        assert_eq!(runtime.version(), RUNTIME_VERSION);
    }
}

#[test]
fn loading_it_again_gives_the_same_library() {
    let first = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
    let second = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
    assert_eq!(first.library(), second.library());
}

#[test]
fn a_missing_or_foreign_file_is_an_error_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so.1.31.1");
    fs_err::write(&text, "not a library").unwrap();
    for (path, says) in [
        (Path::new("/nowhere/libonnxruntime.so"), "does not exist"),
        (&text, "not a shared library"),
    ] {
        let error = Runtime::load(path, DeviceChoice::Cpu).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable);
        assert!(chain(&error).contains(says), "{}", chain(&error));
    }
}

#[test]
fn a_second_library_in_one_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libonnxruntime.so.1.31.1");
    fs_err::copy(library(), &copy).unwrap();
    Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
    let error = Runtime::load(&copy, DeviceChoice::Cpu).unwrap_err();
    assert!(
        matches!(
            error,
            InferenceError::Runtime(RuntimeError::AlreadyLoaded { .. })
        ),
        "{error}"
    );
}

/// The library that set-up fetches has no CUDA, so on every machine these must be refused, and `auto` must settle for the CPU.
#[test]
fn devices_that_do_not_work_are_refused_by_name_and_passed_over_by_auto() {
    if std::env::var_os("ORT_DYLIB_PATH").is_some_and(|path| path.to_string_lossy().contains("gpu"))
    {
        eprintln!("skipped: ORT_DYLIB_PATH names a library for graphics cards");
        return;
    }
    for choice in ["cuda", "cuda:0,1", "tensorrt"] {
        let error = Runtime::load(&library(), choice.parse().unwrap()).unwrap_err();
        let text = chain(&error);
        assert_eq!(error.class(), ErrorClass::Unavailable);
        assert!(
            text.contains(&format!("device {choice} was asked for and does not work")),
            "{text}"
        );
        assert!(
            text.contains("not enabled") || text.contains("CUDA") || text.contains("Tensorrt"),
            "{text}"
        );
    }
    let runtime = Runtime::load(&library(), DeviceChoice::Auto).unwrap();
    assert_eq!(runtime.device(), &Device::Cpu);
    assert!(
        runtime.why().contains("CUDA unavailable"),
        "{}",
        runtime.why()
    );
}
