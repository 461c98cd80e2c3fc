//! `preprocessor_config.json`: how pictures become tensors.

use serde_json::Value;
use toml::Table;

/// The `[image]` section.
///
/// # Errors
/// What it does not say, or says of a kind that is not spoken.
pub(crate) fn image_section(config: &Value, size_elsewhere: Option<i64>) -> Result<Table, String> {
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    let number = |pointer: &str| config.pointer(pointer).and_then(Value::as_i64);
    let crop = flag("do_center_crop").unwrap_or(false);
    let shortest = number("/size/shortest_edge").or_else(|| number("/size").filter(|_| crop));
    let square = |at: &str| match (
        number(&format!("/{at}/height")),
        number(&format!("/{at}/width")),
    ) {
        (Some(height), Some(width)) if height == width => Ok(Some(height)),
        (Some(height), Some(width)) => Err(format!(
            "{at} is {width} x {height}; only squares are spoken"
        )),
        _ => Ok(number(&format!("/{at}"))),
    };
    let (size, shortest_edge) = if crop {
        let size = square("crop_size")?.or(shortest);
        (size, shortest.filter(|edge| Some(*edge) != size))
    } else {
        (square("size")?.or(shortest).or(size_elsewhere), None)
    };
    let size = size.filter(|size| *size > 0).ok_or("it says no size")?;
    let mut section = Table::new();
    section.insert("size".into(), size.into());
    section.insert(
        "resize".into(),
        if crop {
            "shortest-edge-crop"
        } else {
            "stretch"
        }
        .into(),
    );
    if let Some(edge) = shortest_edge {
        section.insert("shortest_edge".into(), edge.into());
    }
    let filter = match number("/resample") {
        Some(2) | None => "bilinear",
        Some(3) => "bicubic",
        Some(other) => {
            return Err(format!(
                "resample {other} is not spoken; 2 (bilinear) and 3 (bicubic) are"
            ));
        }
    };
    section.insert("filter".into(), filter.into());
    if flag("do_rescale") == Some(false) {
        section.insert("range".into(), "bytes".into());
    }
    let is_normalised = flag("do_normalize").unwrap_or(true);
    for (key, from, plain) in [("mean", "image_mean", 0.0), ("std", "image_std", 1.0)] {
        let values = if is_normalised {
            three(config, from)?
        } else {
            [plain; 3]
        };
        let values: Vec<toml::Value> = values.into_iter().map(toml::Value::from).collect();
        section.insert(key.into(), values.into());
    }
    Ok(section)
}

fn three(config: &Value, key: &str) -> Result<[f64; 3], String> {
    let values = config.get(key).and_then(Value::as_array);
    let values: Vec<f64> = values
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    values
        .try_into()
        .map_err(|_| format!("{key} is not three numbers"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_usual_processors_are_read() {
        let clip = json!({"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "size": {"shortest_edge": 224},
            "resample": 3, "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]});
        let section = image_section(&clip, None).unwrap();
        assert_eq!(section["resize"].as_str(), Some("shortest-edge-crop"));
        assert_eq!(section["filter"].as_str(), Some("bicubic"));
        assert!(!section.contains_key("shortest_edge"));

        let dino = json!({"crop_size": 224, "do_center_crop": true, "size": {"shortest_edge": 256},
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.2, 0.2, 0.2]});
        let section = image_section(&dino, None).unwrap();
        assert_eq!(section["shortest_edge"].as_integer(), Some(256));

        let detr =
            json!({"size": {"height": 640, "width": 640}, "do_normalize": false, "resample": 2});
        let section = image_section(&detr, None).unwrap();
        assert_eq!(
            (section["size"].as_integer(), section["resize"].as_str()),
            (Some(640), Some("stretch"))
        );
        assert_eq!(section["mean"].as_array().unwrap()[0].as_float(), Some(0.0));
    }

    #[test]
    fn what_is_not_spoken_is_said() {
        for (config, word) in [
            (
                json!({"size": {"height": 640, "width": 480}, "do_normalize": false}),
                "squares",
            ),
            (
                json!({"size": 224, "resample": 1, "do_normalize": false}),
                "resample",
            ),
            (
                json!({"size": 224, "image_mean": [0.5], "image_std": [1, 1, 1]}),
                "image_mean",
            ),
            (json!({"do_normalize": false}), "size"),
            (json!({"size": -5, "do_normalize": false}), "size"),
            (json!([]), "size"),
        ] {
            let refused = image_section(&config, None).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }
}
