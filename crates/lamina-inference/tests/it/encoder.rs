//! The tiny dual encoder on the real library: parity with the reference, batches, limits, shutdown.

use lamina_inference::{Device, EncoderConfig, ErrorClass, InferenceError, Lane};

use crate::support::{
    assert_same_direction, copy_of_tiny, expected, picture, runtime, tiny_encoder,
};

#[tokio::test]
async fn pictures_agree_with_the_reference_alone_and_in_batches() {
    let encoder = tiny_encoder(&EncoderConfig::default());
    let expected = expected().images;
    let all: Vec<_> = (0..expected.len()).map(picture).collect();
    let together = encoder.embed_images(Lane::Bulk, all.clone()).await.unwrap();
    for (number, expected) in expected.iter().enumerate() {
        let alone = encoder
            .embed_images(Lane::Interactive, vec![all[number].clone()])
            .await
            .unwrap();
        assert_same_direction(
            alone[0].as_ref().unwrap(),
            expected,
            &format!("picture {number} alone"),
        );
        assert_same_direction(
            together[number].as_ref().unwrap(),
            expected,
            &format!("picture {number} in a batch"),
        );
    }
}

#[tokio::test]
async fn texts_agree_with_the_reference_alone_and_in_batches() {
    let encoder = tiny_encoder(&EncoderConfig::default());
    let expected = expected().texts;
    let all: Vec<_> = expected.iter().map(|text| text.text.clone()).collect();
    let together = encoder.embed_texts(Lane::Bulk, all).await.unwrap();
    for (expected, together) in expected.iter().zip(&together) {
        let alone = encoder
            .embed_texts(Lane::Interactive, vec![expected.text.clone()])
            .await
            .unwrap();
        assert_same_direction(
            &alone[0],
            &expected.embedding,
            &format!("{:?} alone", expected.text),
        );
        assert_same_direction(
            together,
            &expected.embedding,
            &format!("{:?} in a batch", expected.text),
        );
    }
}

#[tokio::test]
async fn several_sessions_answer_in_order_too() {
    let encoder = tiny_encoder(&EncoderConfig {
        vision_sessions: 3,
        max_batch: Some(2),
        ..EncoderConfig::default()
    });
    let expected = expected().images;
    let pictures = (0..70)
        .map(|number| picture(number % expected.len()))
        .collect();
    let found = encoder.embed_images(Lane::Bulk, pictures).await.unwrap();
    for (number, found) in found.iter().enumerate() {
        let expected = &expected[number % expected.len()];
        assert_same_direction(
            found.as_ref().unwrap(),
            expected,
            &format!("picture {number}"),
        );
    }
}

#[tokio::test]
async fn inputs_of_a_wrong_size_are_refused_before_the_queue() {
    let encoder = tiny_encoder(&EncoderConfig::default());
    let error = encoder
        .embed_images(Lane::Bulk, vec![picture(0), vec![0.0; 5]])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            InferenceError::TensorLength {
                index: 1,
                found: 5,
                expected: 768
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.class(), ErrorClass::InvalidInput);
    let error = encoder
        .embed_texts(Lane::Bulk, vec!["a".repeat(40_000)])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidInput);
    let report = encoder.report();
    assert_eq!((report.vision.items, report.text.unwrap().items), (0, 0));
}

#[tokio::test]
async fn a_picture_without_a_direction_is_an_error_of_its_own() {
    let encoder = tiny_encoder(&EncoderConfig::default());
    let broken = vec![f32::NAN; 768];
    let answers = encoder
        .embed_images(Lane::Interactive, vec![picture(0), broken, picture(1)])
        .await
        .unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok());
    assert_same_direction(
        answers[2].as_ref().unwrap(),
        &expected().images[1],
        "beside a broken one",
    );
}

#[tokio::test]
async fn the_report_tells_what_ran_where() {
    let encoder = tiny_encoder(&EncoderConfig {
        max_batch: Some(2),
        ..EncoderConfig::default()
    });
    encoder
        .embed_images(Lane::Bulk, (0..5).map(picture).collect())
        .await
        .unwrap()
        .len();
    encoder
        .embed_texts(Lane::Interactive, vec!["a dog".to_owned()])
        .await
        .unwrap();
    let report = encoder.report();
    assert_eq!(report.device, Device::Cpu);
    assert!(report.is_ready());
    assert_eq!(
        (
            report.vision.items,
            report.vision.bulk.items,
            report.vision.interactive.items
        ),
        (5, 5, 0)
    );
    assert!(
        report.vision.batches >= 3
            && report.vision.mean_batch_size() <= 2.0
            && report.vision.run_seconds > 0.0
    );
    assert_eq!(report.text.unwrap().interactive.items, 1);
}

#[tokio::test]
async fn after_a_shutdown_everything_is_refused() {
    let encoder = tiny_encoder(&EncoderConfig::default());
    let other_handle = encoder.clone();
    encoder.shutdown().await;
    encoder.shutdown().await;
    assert!(!encoder.report().is_ready());
    let error = other_handle
        .embed_images(Lane::Bulk, vec![picture(0)])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    let error = other_handle
        .embed_texts(Lane::Interactive, vec!["a".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
}

/// The text graph has a session and a thread of its own: a text is answered although the vision lanes are full of work.
#[tokio::test]
async fn texts_do_not_wait_for_pictures() {
    let encoder = tiny_encoder(&EncoderConfig {
        bulk_capacity: 4096,
        ..EncoderConfig::default()
    });
    let pictures = encoder.embed_images(Lane::Bulk, vec![picture(1); 4096]);
    let text = async {
        encoder
            .embed_texts(Lane::Interactive, vec!["a red dog".to_owned()])
            .await
            .unwrap();
        encoder.report().vision.items
    };
    let (pictures, done_before) = tokio::join!(pictures, text);
    assert_eq!(pictures.unwrap().len(), 4096);
    assert!(done_before < 4096, "the text came after all pictures");
}

#[tokio::test]
async fn a_package_without_text_says_so() {
    let folder = tempfile::tempdir().unwrap();
    copy_of_tiny(folder.path());
    let path = folder.path().join("model.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    let cut = |text: &str, from: &str, to: &str| {
        let (start, end) = (text.find(from).unwrap(), text.find(to).unwrap());
        format!("{}{}", &text[..start], &text[end..])
    };
    let text = cut(&text, "[text]", "[index]");
    let text = cut(&text, "[[files]]\npath = \"text_model.onnx\"", "[image]");
    fs_err::write(&path, text).unwrap();
    let package = lamina_inference::ModelPackage::open(folder.path()).unwrap();
    let encoder =
        lamina_inference::DualEncoder::start(&runtime(), &package, &EncoderConfig::default())
            .unwrap();
    assert!(!encoder.has_text());
    let error = encoder
        .embed_texts(Lane::Interactive, vec!["a dog".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::InvalidInput);
    assert!(
        encoder
            .embed_images(Lane::Interactive, vec![picture(0)])
            .await
            .unwrap()[0]
            .is_ok()
    );
}
