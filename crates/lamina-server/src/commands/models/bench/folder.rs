//! A folder of pictures with what is known of them. README, "A labelled folder", says what it may hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lamina_inference::TrueObject;
use lamina_types::BoundingBox;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Names of the files that say what is known.
const LABELS: &str = "labels.csv";
const INSTANCES: &str = "instances.json";
const CAPTIONS: &str = "captions.json";
/// Folder that pictures may lie in.
const IMAGES: &str = "images";
/// Endings of pictures that are taken for their folder's label.
const PICTURES: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// One picture and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The file.
    pub path: PathBuf,
    /// What it shows; empty where nobody said.
    pub labels: BTreeSet<String>,
    /// Objects in it; `None` where nobody looked for them.
    pub objects: Option<Vec<TrueObject>>,
    /// What people say of it.
    pub captions: Vec<String>,
}

/// All of them, in the order of their names.
#[derive(Debug)]
pub struct LabelledFolder {
    pub pictures: Vec<Labelled>,
}

impl LabelledFolder {
    /// Reads what the folder says, and opens no picture. Of more than `most` pictures an even choice is taken.
    ///
    /// # Errors
    /// Files that cannot be read, and a folder that says nothing.
    pub fn read(folder: &Path, most: usize) -> anyhow::Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is no folder", folder.display());
        let mut found = Found {
            folder,
            pictures: BTreeMap::new(),
        };
        let mut said = false;
        if folder.join(LABELS).is_file() {
            found.table()?;
            said = true;
        }
        if let Some(instances) = json::<Instances>(&folder.join(INSTANCES))? {
            found.instances(&instances)?;
            said = true;
        }
        if let Some(captions) = json::<Captions>(&folder.join(CAPTIONS))? {
            found.captions(captions)?;
            said = true;
        }
        if !said {
            found.subfolders()?;
        }
        anyhow::ensure!(
            !found.pictures.is_empty(),
            "{} has neither {LABELS}, {INSTANCES} nor {CAPTIONS} with a picture in it, nor folders of pictures",
            folder.display()
        );
        let all: Vec<Labelled> = found.pictures.into_values().collect();
        let step = all.len().div_ceil(most.max(1)).max(1);
        Ok(Self {
            pictures: all.into_iter().step_by(step).collect(),
        })
    }
}

struct Found<'a> {
    folder: &'a Path,
    /// By the path as it is written.
    pictures: BTreeMap<String, Labelled>,
}

impl Found<'_> {
    fn picture(&mut self, name: &str) -> anyhow::Result<&mut Labelled> {
        if !self.pictures.contains_key(name) {
            let inside = [self.folder.join(name), self.folder.join(IMAGES).join(name)];
            let path = inside
                .into_iter()
                .find(|path| path.is_file())
                .with_context(|| format!("{name} is not in {}", self.folder.display()))?;
            let picture = Labelled {
                path,
                labels: BTreeSet::new(),
                objects: None,
                captions: Vec::new(),
            };
            self.pictures.insert(name.to_owned(), picture);
        }
        self.pictures
            .get_mut(name)
            .context("a picture that was just put in")
    }

    /// `labels.csv`: one row for each label of a picture, or for each object.
    fn table(&mut self) -> anyhow::Result<()> {
        let path = self.folder.join(LABELS);
        let wrong = || format!("{} cannot be read", path.display());
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(fs_err::File::open(&path)?);
        let has_boxes = rows
            .headers()
            .with_context(wrong)?
            .iter()
            .any(|name| name == "xmin");
        for row in rows.deserialize() {
            let row: LabelRow = row.with_context(wrong)?;
            if row.split.as_deref() == Some("train") {
                continue;
            }
            let region = row
                .region()
                .with_context(|| format!("{}: the box of {}", path.display(), row.file))?;
            let picture = self.picture(&row.file)?;
            picture.labels.insert(row.label.clone());
            if has_boxes {
                let objects = picture.objects.get_or_insert_default();
                objects.extend(region.map(|region| TrueObject {
                    label: row.label,
                    region,
                    is_crowd: false,
                }));
            }
        }
        // A label without a box: where the object is was not said, so nothing found there can be judged.
        for picture in self.pictures.values_mut() {
            if picture.objects.as_ref().is_some_and(Vec::is_empty) {
                picture.objects = None;
            }
        }
        Ok(())
    }

    /// `instances.json`, as COCO has it.
    fn instances(&mut self, file: &Instances) -> anyhow::Result<()> {
        let names: BTreeMap<u64, &str> = file
            .categories
            .iter()
            .map(|category| (category.id, category.name.as_str()))
            .collect();
        let images: BTreeMap<u64, &Image> =
            file.images.iter().map(|image| (image.id, image)).collect();
        for image in &file.images {
            self.picture(&image.file_name)?.objects = Some(Vec::new());
        }
        for object in &file.annotations {
            let image = images
                .get(&object.image_id)
                .with_context(|| format!("{INSTANCES} has no image {}", object.image_id))?;
            let label = names
                .get(&object.category_id)
                .with_context(|| format!("{INSTANCES} has no category {}", object.category_id))?;
            let (Some(width), Some(height)) = (image.width, image.height) else {
                anyhow::bail!("{INSTANCES}: image {} has no width or height", image.id);
            };
            let region = BoundingBox::from_pixels(object.bbox, width, height)
                .with_context(|| format!("{INSTANCES}: a box of {}", image.file_name))?;
            let picture = self.picture(&image.file_name)?;
            picture.labels.insert((*label).to_owned());
            picture.objects.get_or_insert_default().push(TrueObject {
                label: (*label).to_owned(),
                region,
                is_crowd: object.iscrowd != 0,
            });
        }
        Ok(())
    }

    /// `captions.json`, as COCO has it.
    fn captions(&mut self, file: Captions) -> anyhow::Result<()> {
        let names: BTreeMap<u64, String> = file
            .images
            .into_iter()
            .map(|image| (image.id, image.file_name))
            .collect();
        for said in file.annotations {
            let name = names
                .get(&said.image_id)
                .with_context(|| format!("{CAPTIONS} has no image {}", said.image_id))?;
            self.picture(name)?.captions.push(said.caption);
        }
        Ok(())
    }

    /// Folders whose names are the labels of the pictures in them.
    fn subfolders(&mut self) -> anyhow::Result<()> {
        for label in fs_err::read_dir(self.folder)? {
            let label = label?;
            let name = label.file_name().to_string_lossy().into_owned();
            if !label.path().is_dir() || name.starts_with('.') {
                continue;
            }
            for file in fs_err::read_dir(label.path())? {
                let file = file?.path();
                let ending = file.extension().and_then(|ending| ending.to_str());
                let is_picture = ending
                    .is_some_and(|ending| PICTURES.contains(&ending.to_ascii_lowercase().as_str()));
                let Some(inside) = file.file_name().filter(|_| is_picture) else {
                    continue;
                };
                let path = format!("{name}/{}", inside.to_string_lossy());
                self.picture(&path)?.labels.insert(name.clone());
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct LabelRow {
    file: String,
    label: String,
    split: Option<String>,
    xmin: Option<f64>,
    ymin: Option<f64>,
    xmax: Option<f64>,
    ymax: Option<f64>,
}

impl LabelRow {
    /// Its box, if it has one.
    fn region(&self) -> anyhow::Result<Option<BoundingBox>> {
        let (Some(left), Some(top), Some(right), Some(bottom)) =
            (self.xmin, self.ymin, self.xmax, self.ymax)
        else {
            return Ok(None);
        };
        let region = BoundingBox::from_fractions(left, top, right - left, bottom - top)?;
        Ok(Some(region))
    }
}

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Instance>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Instance {
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height in pixels.
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Captions {
    images: Vec<Image>,
    annotations: Vec<Caption>,
}

#[derive(Deserialize)]
struct Caption {
    image_id: u64,
    caption: String,
}

fn json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let read = serde_json::from_slice(&fs_err::read(path)?);
    read.with_context(|| format!("{} is not as COCO has it", path.display()))
        .map(Some)
}
