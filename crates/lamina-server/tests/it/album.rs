//! A small dataset with everything that can be searched by: labels, captions, objects, a tag and an uploaded picture.

use lamina_testkit::client::{Client, FormFile};
use lamina_testkit::pictures;
use lamina_testkit::server::Installation;
use serde_json::{Value, json};

use crate::support::{explore_all, import};

/// Pictures of the dataset.
pub const PICTURES: usize = 12;

/// What people say of them, in turn.
pub const CAPTIONS: [&str; 4] = [
    "a red boat on a river at night",
    "two dogs in the snow",
    "a bridge over a river",
    "cars on a highway, seen from a tower",
];

/// The dataset, and ids of what is in it.
pub struct Album {
    pub id: String,
    /// One of the pictures.
    pub media: String,
    /// Carried by that picture alone.
    pub tag: String,
    /// An uploaded picture, the same as that one.
    pub upload: String,
}

/// Writes the pictures, numbered as they are drawn, and what people say of them: captions, a label each, a box on half of them.
pub fn write(folder: &std::path::Path) {
    fs_err::create_dir_all(folder).unwrap();
    let mut said = "filename,label,caption\n".to_owned();
    let mut boxes = "filename,col_x,row_y,width,height,label\n".to_owned();
    for number in 0..PICTURES {
        let name = format!("{number:02}.jpg");
        fs_err::write(
            folder.join(&name),
            pictures::picture(number as u64).unwrap(),
        )
        .unwrap();
        let (label, caption) = (
            ["even", "odd"][number % 2],
            CAPTIONS[number % CAPTIONS.len()],
        );
        said.push_str(&format!("{name},{label},\"{caption}\"\n"));
        if number % 2 == 0 {
            boxes.push_str(&format!("{name},{},20,160,120,car\n", 10 * number));
        }
    }
    fs_err::write(folder.join("image_annotations.csv"), said).unwrap();
    fs_err::write(folder.join("object_annotations.csv"), boxes).unwrap();
}

/// Sends a picture to be searched for; the answer's body.
pub fn upload(
    client: &Client,
    id: &str,
    query: &str,
    bytes: &[u8],
) -> Result<String, (u16, Value)> {
    let file = FormFile {
        field: "file",
        file_name: "query.jpg",
        bytes,
    };
    let path = format!("/api/v1/dataset/{id}/search-image-similarity?{query}");
    let answer = client.post_files(&path, &[file]).unwrap();
    let body = answer.json().unwrap();
    if answer.status != 200 {
        return Err((answer.status, body));
    }
    assert_eq!(body["anchor_type"], "UPLOAD");
    Ok(body["anchor_media_id"].as_str().unwrap().to_owned())
}

impl Album {
    pub fn new(home: &Installation, client: &Client) -> Self {
        let folder = home.data.path().join("album");
        write(&folder);
        let imported = import(home, &folder, "Album");
        let id = imported["dataset_id"].as_str().unwrap().to_owned();
        let all = explore_all(client, &id, "threshold=0");
        let mut previews = all
            .iter()
            .flat_map(|cluster| cluster["previews"].as_array().unwrap());
        let first = previews
            .find(|preview| preview["file_name"] == "00.jpg")
            .unwrap();
        let media = first["media_id"].as_str().unwrap().to_owned();
        let tags = format!("/api/v1/dataset/{id}/tags");
        let tag = client
            .post_json(&tags, &json!({"name": "one"}))
            .unwrap()
            .json()
            .unwrap();
        let tag = tag["id"].as_str().unwrap().to_owned();
        let chosen =
            json!({"media_selection": [{"type": "media", "payload": {"media_ids": [media]}}]});
        let assigned = client
            .post_json(&format!("{tags}/{tag}/assign"), &chosen)
            .unwrap();
        assert_eq!(assigned.status, 200);
        let upload = upload(
            client,
            &id,
            "entity_type=IMAGES",
            &pictures::picture(0).unwrap(),
        );
        Self {
            id,
            media,
            tag,
            upload: upload.unwrap(),
        }
    }

    /// A value with the ids put in where it names them.
    pub fn named(&self, value: &str) -> String {
        value
            .replace("{media}", &self.media)
            .replace("{tag}", &self.tag)
            .replace("{upload}", &self.upload)
    }
}
