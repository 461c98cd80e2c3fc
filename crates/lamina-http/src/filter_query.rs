//! The parameters that filter what explore shows. They combine by AND.

use lamina_explore::{Duplicates, Filter, Labels, SetTest, Tags, Text, vql};
use lamina_types::TagId;

use crate::extract::{Fields, FromFields};

/// The filters of a request. Absent and empty ones filter nothing.
#[derive(Debug, Clone, Default, PartialEq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// Only items whose captions mean what this text says, best first; in a dataset without captions that can be compared, items
    /// that show it. Needs a model package that reads text.
    #[param(value_type = Option<String>)]
    caption: Option<Filter>,
    /// Deprecated name of `caption`, which wins when both are given.
    #[param(value_type = Option<String>)]
    image_caption: Option<Filter>,
    /// Greatest distance (0 best) that `caption` finds, 0 to 2; 0.9 when absent.
    #[param(minimum = 0, maximum = 2)]
    textual_similarity_threshold: Option<f32>,
    /// Only items with at least one of these labels: `["a","b"]`; `[a,b]` and several parameters are understood as well.
    #[param(value_type = Option<String>)]
    labels: Option<Filter>,
    /// Only items with at least one of these tags: `["<uuid>","<uuid>"]`; bare UUIDs are understood as well, and the word
    /// `untagged` asks for those without any tag. Objects have the tags of their picture.
    #[param(value_type = Option<String>)]
    tags: Option<Filter>,
    /// A JSON array of filters, each an object with one filter: `text` (op `fts` or `semantic`, value, threshold), `labels` and
    /// `tags` (op `is`, `is_not`, `one_of` or `not_one_of`, value: list), `issues` (op `issue`, value: name, mode `in` or `out`,
    /// `confidence_min`, `confidence_max`), `duplicates` (op `duplicates`, value: similarity 0 to 1), `uniqueness` (op `uniqueness`,
    /// value: 0 to 1), `similarity` (op `upload` or `media`, value: anchor id, threshold). Beyond the original: `media` (op `one_of`
    /// or `not_one_of`, value: media ids; the objects on them with `entity_type=OBJECTS`), `file_name` (op `one_of`, `contains`,
    /// `starts_with` or `ends_with`, value: text or list, upper and lower case alike), `size` (op `width`, `height` or `area`, `min`
    /// and/or `max` in pixels), `date` (op `added`, `from` and/or `to`: `2026-03-31`, the whole day, or `2026-03-31T16:47:19Z`),
    /// `custom_metadata` (`field`: name of a declared field; op `one_of`, `not_one_of`, `is` or `is_not` with value: text or list, `contains`
    /// with value: text, for strings, links and enums; op `between` with `min` and/or `max` for numbers, `from` and/or `to` for moments;
    /// op `set` or `not_set`); and groups: `{"and": [..]}`, `{"or": [..]}`, `{"not": {..}}`, at most 4 deep. At most 64 KiB, 32 filters, 1,000 values; a member
    /// that comes twice in one object is refused, several `vql` parameters combine by AND. With `duplicates` the clusters of the
    /// answer are groups of near-copies. Filters in `or` and `not` select, but rank nothing.
    #[param(value_type = Option<String>)]
    vql: Vec<Filter>,
    /// The same as the VQL filter `duplicates`: groups of near-copies of at least this similarity.
    #[param(value_type = Option<f32>, minimum = 0, maximum = 1)]
    duplicate_threshold: Option<Filter>,
    /// Only pictures whose captions have these words, as the VQL filter `text` with op `fts`.
    #[param(value_type = Option<String>)]
    caption_only_filter: Option<Filter>,
}

impl FromFields for FilterQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let textual_similarity_threshold = fields.float("textual_similarity_threshold", 0.0..=2.0);
        let caption = caption(fields, "caption", textual_similarity_threshold);
        let image_caption = match caption {
            Some(_) => None,
            None => caption_of_old(fields, textual_similarity_threshold),
        };
        Self {
            caption,
            image_caption,
            textual_similarity_threshold,
            labels: labels(fields),
            tags: tags(fields),
            vql: vql(fields),
            duplicate_threshold: duplicates(fields),
            caption_only_filter: words(fields),
        }
    }
}

impl FilterQuery {
    /// All filters; of those that rank, the one that counts comes first.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let first = self.caption.iter().chain(&self.image_caption);
        first
            .chain(&self.vql)
            .chain(&self.labels)
            .chain(&self.tags)
            .chain(&self.duplicate_threshold)
            .chain(&self.caption_only_filter)
            .cloned()
            .collect()
    }
}

/// A text that is not blank.
fn text(fields: &mut Fields, name: &str) -> Option<String> {
    fields.text(name).filter(|text| !text.trim().is_empty())
}

fn caption(fields: &mut Fields, name: &str, threshold: Option<f32>) -> Option<Filter> {
    let text = text(fields, name)?;
    match Text::caption(text, threshold) {
        Ok(filter) => Some(filter.into()),
        Err(error) => refuse(fields, name, &error.to_string()),
    }
}

fn caption_of_old(fields: &mut Fields, threshold: Option<f32>) -> Option<Filter> {
    caption(fields, "image_caption", threshold)
}

fn words(fields: &mut Fields) -> Option<Filter> {
    let text = text(fields, "caption_only_filter")?;
    match Text::words(&text) {
        Ok(filter) => Some(filter.into()),
        Err(error) => refuse(fields, "caption_only_filter", &error.to_string()),
    }
}

fn refuse(fields: &mut Fields, name: &str, message: &str) -> Option<Filter> {
    fields.wrong(name, "value_error", message);
    None
}

fn labels(fields: &mut Fields) -> Option<Filter> {
    let names = list(fields, "labels")?;
    let test = SetTest::OneOf;
    Some(Labels { test, names }.into())
}

fn tags(fields: &mut Fields) -> Option<Filter> {
    let values = list(fields, "tags")?;
    if values == ["untagged"] {
        return Some(Tags::Untagged.into());
    }
    let ids: Result<Vec<TagId>, _> = values.iter().map(|value| value.parse()).collect();
    match ids {
        Ok(ids) => Some(Tags::Have(SetTest::OneOf, ids).into()),
        Err(_) => {
            fields.wrong(
                "tags",
                "uuid_parsing",
                "Input should be a list of UUIDs, or untagged",
            );
            None
        }
    }
}

fn vql(fields: &mut Fields) -> Vec<Filter> {
    let mut filters = Vec::new();
    // Several documents combine by AND, as their filters do: dropping one would answer another question.
    for document in fields.every("vql") {
        match vql::parse(&document) {
            Ok(found) => filters.extend(found),
            Err(error) => fields.wrong("vql", error.kind, &error.to_string()),
        }
        if filters.len() > vql::MAX_FILTERS {
            fields.wrong("vql", "too_long", "Input has too many filters");
            break;
        }
    }
    filters
}

fn duplicates(fields: &mut Fields) -> Option<Filter> {
    fields
        .raw("duplicate_threshold")
        .filter(|value| !value.is_empty())?;
    let similarity = fields.float("duplicate_threshold", 0.0..=1.0)?;
    Some(Duplicates { similarity }.into())
}

/// The values of a list parameter, of all of them when it comes several times. Nothing and an empty list are no filter.
pub(crate) fn list(fields: &mut Fields, name: &str) -> Option<Vec<String>> {
    let every = fields.every(name);
    if every.iter().map(String::len).sum::<usize>() > vql::MAX_BYTES {
        fields.wrong(name, "string_too_long", "Input is too long");
        return None;
    }
    let values: Vec<String> = every.iter().flat_map(|raw| values_of(raw.trim())).collect();
    if values.len() > vql::MAX_VALUES {
        fields.wrong(name, "too_long", "Input has too many values");
        return None;
    }
    (!values.is_empty()).then_some(values)
}

/// A JSON array of strings, values between brackets without quotes, or one bare value.
fn values_of(raw: &str) -> Vec<String> {
    if let Ok(values) = serde_json::from_str(raw) {
        return values;
    }
    let inside = raw
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let values: Vec<&str> = match inside {
        Some(inside) => inside
            .split(',')
            .map(|value| value.trim().trim_matches('"'))
            .collect(),
        None => vec![raw],
    };
    let filled = values.into_iter().filter(|value| !value.is_empty());
    filled.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use lamina_api::Detail;
    use lamina_explore::{Leaf, ScoreKind};

    use super::*;
    use crate::extract::Place;

    fn read(query: &str) -> Result<Vec<Filter>, Vec<String>> {
        Fields::decode(Place::Query, query.as_bytes())
            .read::<FilterQuery>()
            .map(|query| query.filters())
            .map_err(|error| match error.detail() {
                Detail::Fields(fields) => fields.iter().map(|field| field.kind.clone()).collect(),
                Detail::Text(text) => vec![text.clone()],
            })
    }

    fn labels_of(query: &str) -> Vec<String> {
        match read(query).unwrap().as_slice() {
            [Filter::Is(Leaf::Labels(labels))] => labels.names.clone(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn lists_are_read_with_and_without_quotes() {
        for query in [
            "labels=[%22a%22,%22b%20c%22]",
            "labels=[a,b%20c]",
            "labels=%20[%20a%20,%20%22b%20c%22%20,]",
        ] {
            assert_eq!(labels_of(query), ["a", "b c"], "{query}");
        }
        assert_eq!(labels_of("labels=a,b"), ["a,b"]);
        assert_eq!(labels_of("labels=[%22a,b%22]"), ["a,b"]);
        assert_eq!(labels_of("labels=[1]"), ["1"]);
        assert_eq!(labels_of("labels=a&labels=&labels=[b,c]"), ["a", "b", "c"]);
        assert_eq!(read("labels=[]&labels=&tags=[%20]"), Ok(Vec::new()));
    }

    #[test]
    fn several_documents_combine_and_none_is_dropped() {
        let one = |above: f32| {
            format!("[{{\"uniqueness\":{{\"op\":\"uniqueness\",\"value\":{above}}}}}]")
        };
        let several = format!("vql={}&vql={}&vql=", one(0.25), one(0.5));
        assert_eq!(read(&several).unwrap().len(), 2);
        let twice = "vql=[{\"labels\":{\"op\":\"is\",\"value\":[\"a\"]},\"labels\":{\"op\":\"is\",\"value\":[\"b\"]}}]";
        assert_eq!(read(twice), Err(vec!["json_invalid".to_owned()]));
    }

    #[test]
    fn tags_are_ids_or_the_word_for_none() {
        let id = "0e7c5f2a-2b4b-4f0e-9a53-6d7d3b0c1e44";
        let one = Filter::from(Tags::Have(SetTest::OneOf, vec![id.parse().unwrap()]));
        for query in [
            format!("tags={id}"),
            format!("tags=[{id}]"),
            format!("tags=[%22{id}%22]"),
        ] {
            assert_eq!(read(&query), Ok(vec![one.clone()]), "{query}");
        }
        assert_eq!(read("tags=untagged"), Ok(vec![Tags::Untagged.into()]));
        for query in ["tags=x".to_owned(), format!("tags=[{id},untagged]")] {
            assert_eq!(
                read(&query),
                Err(vec!["uuid_parsing".to_owned()]),
                "{query}"
            );
        }
    }

    #[test]
    fn the_old_name_of_caption_counts_only_alone() {
        let caption = |text: &str, threshold| {
            vec![Filter::from(
                Text::caption(text.to_owned(), threshold).unwrap(),
            )]
        };
        let both = "caption=cars+on+highway&image_caption=dogs&textual_similarity_threshold=0.5";
        assert_eq!(read(both), Ok(caption("cars on highway", Some(0.5))));
        assert_eq!(
            read("caption=+&image_caption=dogs"),
            Ok(caption("dogs", None))
        );
        assert_eq!(read("caption=&image_caption="), Ok(Vec::new()));
    }

    #[test]
    fn filters_combine_and_the_caption_ranks() {
        let query = "labels=[a]&caption=car&duplicate_threshold=0.95&caption_only_filter=red&vql=\
                     [{%22uniqueness%22:{%22op%22:%22uniqueness%22,%22value%22:0.5}}]";
        let filters = read(query).unwrap();
        assert_eq!(filters.len(), 5);
        let plan = lamina_explore::ExplorePlan {
            filters,
            ..lamina_explore::ExplorePlan::browse(
                lamina_types::EntityType::Images,
                lamina_types::SimilarityThreshold::FINEST,
                0,
            )
        };
        assert_eq!(plan.score_kind(), Some(ScoreKind::CosineDistance));
    }

    #[test]
    fn wrong_filters_are_named() {
        let long = format!("caption={}", "a".repeat(9_000));
        let many = format!("labels=[{}]", "a,".repeat(1_001));
        let table = [
            ("vql=nonsense", "json_invalid"),
            ("vql={}", "list_type"),
            ("duplicate_threshold=2", "value_error"),
            ("duplicate_threshold=x", "float_parsing"),
            ("textual_similarity_threshold=3", "value_error"),
            ("caption=%00", "string_type"),
            ("caption_only_filter=((((((((((((((((((((((a", "value_error"),
            (&long, "value_error"),
            (&many, "too_long"),
        ];
        for (query, kind) in table {
            assert_eq!(read(query), Err(vec![kind.to_owned()]), "{query:.60}");
        }
    }
}
