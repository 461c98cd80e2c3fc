//! A picture that is sent to be searched for: received, its parameters read, kept as an anchor.

use std::time::Duration;

use lamina_api::ErrorCode;
use lamina_explore::Region;
use lamina_store::datasets::DatasetAccess;
use lamina_types::{AnchorId, EntityType};
use serde::Deserialize;

use crate::ApiError;
use crate::extract::{Fields, FromFields, Place};
use crate::state::AppState;
use crate::upload::{Parts, Spooled};

/// How long a search may wait for its turn to be held in memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to search for in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    entity_type: EntityType,
    region: Region,
}

/// Receives the file and the text fields beside it.
///
/// # Errors
/// 400 without a file, or with an empty one.
pub(crate) async fn receive(
    state: &AppState,
    mut parts: Parts,
) -> Result<(Spooled, Fields), ApiError> {
    const TEXTS: [&str; 4] = ["entity_type", "threshold", "bounding_box", "allow_deleted"];
    let limits = parts.limits().clone();
    let (mut file, mut pairs) = (None, Vec::new());
    while let Some(part) = parts.next().await? {
        let name = part.name().to_owned();
        if name == "file" && file.is_none() {
            file = Some(part.spool(&state.spool, limits.max_file_bytes).await?);
        } else if TEXTS.contains(&name.as_str()) {
            pairs.push((name, part.text(&limits).await?));
        } else {
            part.skip().await?;
        }
    }
    let file = file.ok_or_else(|| ApiError::bad_request("No file was sent"))?;
    if file.length == 0 {
        return Err(ApiError::bad_request("The file is empty"));
    }
    Ok((file, Fields::new(Place::Body, pairs)))
}

/// Reads the parameters. This endpoint answers a bad entity type or box with 400.
///
/// # Errors
/// 400 for those, 422 for the rest.
pub(crate) fn wanted(fields: Fields) -> Result<Wanted, ApiError> {
    let entity_type = match fields.raw("entity_type") {
        None | Some("" | "IMAGES") => EntityType::Images,
        Some("OBJECTS") => EntityType::Objects,
        Some(_) => {
            return Err(ApiError::bad_request(
                "entity_type must be IMAGES or OBJECTS",
            ));
        }
    };
    let region = fields
        .raw("bounding_box")
        .map_or(Ok(Region::Whole), region)?;
    fields.read::<Ignored>()?;
    Ok(Wanted {
        entity_type,
        region,
    })
}

/// Parameters that decide nothing but must be right.
struct Ignored;

impl FromFields for Ignored {
    fn from_fields(fields: &mut Fields) -> Self {
        fields.integer("threshold", 0..=4);
        fields.boolean("allow_deleted");
        Self
    }
}

#[derive(Deserialize)]
struct Fractions {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A region in either of its forms.
fn region(text: &str) -> Result<Region, ApiError> {
    let text = text.trim();
    let bad = || {
        ApiError::bad_request(
            "bounding_box must be {\"x\":..,\"y\":..,\"width\":..,\"height\":..} with fractions from 0 to 1, \
             or X,Y,WIDTH,HEIGHT in pixels",
        )
    };
    let (numbers, is_json) = if text.starts_with('{') {
        let Fractions {
            x,
            y,
            width,
            height,
        } = serde_json::from_str(text).map_err(|_| bad())?;
        ([x, y, width, height], true)
    } else {
        let numbers: Vec<f64> = text
            .split(',')
            .map(|number| number.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| bad())?;
        (<[f64; 4]>::try_from(numbers).map_err(|_| bad())?, false)
    };
    let is_sane =
        numbers.iter().all(|number| number.is_finite()) && numbers[2] > 0.0 && numbers[3] > 0.0;
    // Numbers above 1 are pixels in the wrong form: refused, not guessed. A hair of rounding is not that.
    if !is_sane || (is_json && numbers.iter().any(|number| *number > 1.01)) {
        return Err(bad());
    }
    Ok(if is_json {
        Region::Fractions(numbers)
    } else {
        Region::Pixels(numbers)
    })
}

/// Embeds the picture and keeps the vector. At most a few pictures are in memory at once.
///
/// # Errors
/// 400 for what is no picture or a region outside of it, 429 when too many wait.
pub(crate) async fn keep(
    state: &AppState,
    access: &DatasetAccess,
    file: Spooled,
    wanted: Wanted,
) -> Result<AnchorId, ApiError> {
    let turn = tokio::time::timeout(PATIENCE, state.query_pictures.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(ApiError::plain(ErrorCode::Overloaded).with_retry_after(PATIENCE));
    };
    let bytes = file.read().await?;
    Ok(state
        .explorer
        .add_anchor(access, bytes, wanted.entity_type, wanted.region)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, u16> {
        wanted(Fields::decode(Place::Query, query.as_bytes()))
            .map_err(|error| error.code().status())
    }

    #[test]
    fn boxes_come_in_two_forms() {
        let whole = Wanted {
            entity_type: EntityType::Images,
            region: Region::Whole,
        };
        assert_eq!(read(""), Ok(whole));
        assert_eq!(
            read("entity_type=OBJECTS").map(|wanted| wanted.entity_type),
            Ok(EntityType::Objects)
        );
        let json = r#"bounding_box={"x":0.1,"y":0.2,"width":0.5,"height":0.6}"#;
        assert_eq!(
            read(json).map(|wanted| wanted.region),
            Ok(Region::Fractions([0.1, 0.2, 0.5, 0.6]))
        );
        assert_eq!(
            read("bounding_box=0,0,2048,1536").map(|wanted| wanted.region),
            Ok(Region::Pixels([0.0, 0.0, 2048.0, 1536.0]))
        );
    }

    #[test]
    fn wrong_parameters_have_the_codes_of_the_contract() {
        for wrong in [
            "bounding_box=",
            "bounding_box=1,2,3",
            "bounding_box=0,0,0,5",
            "bounding_box=0,0,-1,5",
            "bounding_box=a,b,c,d",
            "bounding_box=0,0,NaN,1",
            r#"bounding_box={"x":0.1,"y":0.2}"#,
            r#"bounding_box={"x":10,"y":20,"width":300,"height":200}"#,
            r#"bounding_box={"x":0.1,"y":0.2,"width":0,"height":0.6}"#,
            "bounding_box=[0,0,1,1]",
            "entity_type=VIDEOS",
            "entity_type=images",
        ] {
            assert_eq!(read(wrong), Err(400), "{wrong}");
        }
        assert_eq!(read("threshold=5"), Err(422));
        assert_eq!(read("allow_deleted=perhaps"), Err(422));
        assert!(read("allow_deleted=False&threshold=4").is_ok());
    }
}
