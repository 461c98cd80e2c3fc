//! What is refused, with a message that helps; nothing is installed then.

use lamina_hub::{HubError, pull};

use crate::catalog::packages;
use crate::pulls::{client, entry};
use lamina_testkit::hub::{FakeHub, File, hash, onnx, status};

fn refused(hub: &FakeHub, pin: Option<&[u8]>) -> HubError {
    let target = tempfile::tempdir().unwrap();
    let error = pull(&entry(pin), &client(hub), target.path(), &mut |_| {}).unwrap_err();
    assert!(packages(target.path()).is_empty(), "installed all the same");
    error
}

#[test]
fn a_wrong_byte_is_refused_as_the_catalog_or_the_hub_itself_says() {
    let right = onnx("right", 3_000);
    let mut wrong = right.clone();
    wrong[2_000] ^= 1;
    let (served, said) = (wrong.clone(), hash(&right));
    let hub = FakeHub::new(move |request, stream| {
        let headers = format!("x-linked-etag: \"{said}\"\r\n");
        File {
            headers,
            ..File::new(&served)
        }
        .send(request, stream);
    });
    let by_catalog = refused(&hub, Some(&right));
    assert!(
        matches!(&by_catalog, HubError::Hash { by, .. } if by.contains("catalog")),
        "{by_catalog}"
    );
    let by_hub = refused(&hub, None);
    assert!(
        matches!(&by_hub, HubError::Hash { by, .. } if by.contains("hub")),
        "{by_hub}"
    );
}

#[test]
fn lies_about_the_length_are_refused() {
    let bytes = onnx("length", 3_000);
    for lie in [-7, 7] {
        let served = bytes.clone();
        let hub = FakeHub::new(move |request, stream| {
            File {
                lie,
                ..File::new(&served)
            }
            .send(request, stream)
        });
        let error = refused(&hub, Some(&bytes));
        assert!(matches!(error, HubError::Size { .. }), "{lie}: {error}");
    }
    // Not pinned: a length that never comes is a connection that breaks off for good.
    let served = bytes.clone();
    let longer = FakeHub::new(move |request, stream| {
        File {
            lie: 7,
            ..File::new(&served)
        }
        .send(request, stream)
    });
    let error = refused(&longer, None);
    assert!(
        matches!(error, HubError::BrokenOff { .. } | HubError::Status { .. }),
        "{error}"
    );
    // One that is too short cuts the graph, which is seen when the package is checked.
    let shorter = FakeHub::new(move |request, stream| {
        File {
            lie: -7,
            ..File::new(&bytes)
        }
        .send(request, stream)
    });
    let error = refused(&shorter, None);
    assert!(matches!(error, HubError::Package(_)), "{error}");
}

#[test]
fn statuses_say_what_to_do() {
    let answers: [(u16, &str, &[&str]); 5] = [
        (404, "", &["does not exist"]),
        (401, "", &["licence", "HF_TOKEN", "not enough"]),
        (403, "", &["licence", "HF_TOKEN"]),
        (
            429,
            "retry-after: 30\r\n",
            &["too many requests", "30 s", "goes on"],
        ),
        (500, "", &["status 500"]),
    ];
    for (code, headers, words) in answers {
        let hub = FakeHub::new(move |_, stream| status(stream, code, headers));
        let message = refused(&hub, None).to_string();
        for word in words {
            assert!(message.contains(word), "{code}: {message}");
        }
        assert_eq!(hub.requests().len(), 1, "{code} is not asked again");
    }
}

#[test]
fn circles_and_dead_ends_of_redirects_end() {
    for (to, reason) in [
        ("/round", "too many"),
        ("ftp://elsewhere/x", "web address"),
        ("", "no address"),
    ] {
        let hub =
            FakeHub::new(move |_, stream| status(stream, 302, &format!("location: {to}\r\n")));
        let message = refused(&hub, None).to_string();
        assert!(message.contains(reason), "{message}");
        assert!(hub.requests().len() <= 6);
    }
}

#[test]
fn a_hub_that_is_down_is_said_to_be_unreachable() {
    let hub = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        FakeHub {
            base: format!("http://{}", listener.local_addr().unwrap()),
            ..FakeHub::new(|_, _| {})
        }
    };
    let error = refused(&hub, None);
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
}

#[test]
fn a_graph_that_points_out_of_its_package_is_refused() {
    // Graph with one initializer whose data lies at "../../secret".
    let location = [b"\x0a\x08location\x12\x0c".as_slice(), b"../../secret"].concat();
    let mut tensor = vec![0x6a, location.len() as u8];
    tensor.extend(location);
    tensor.extend([0x70, 0x01]);
    let mut graph = vec![0x2a, tensor.len() as u8];
    graph.extend(tensor);
    let mut model = vec![0x3a, graph.len() as u8];
    model.extend(graph);
    let hub = FakeHub::new(move |request, stream| File::new(&model).send(request, stream));
    let error = refused(&hub, None);
    let text = format!("{error:?}");
    assert!(
        matches!(error, HubError::Package(_)) && text.contains("../../secret"),
        "{text}"
    );
}
