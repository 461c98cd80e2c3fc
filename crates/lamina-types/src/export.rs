//! Exports: formats and how far one is (contract 11).

use crate::text_enum;

text_enum!(
    /// How the metadata of an export is written.
    ExportFormat, "export format", {
        /// `metadata.json`, schema 1.1 of the original.
        Json = "json",
        /// `metadata.parquet`, one row a media item.
        Parquet = "parquet",
        /// `media.csv`, `image_labels.csv` and `object_labels.csv`.
        Csv = "csv",
        /// `annotations.json` as COCO has it.
        Coco = "coco",
        /// One XML file of boxes for each picture, as Pascal VOC has it.
        Voc = "voc",
        /// `data.yaml` and one text file of boxes for each picture.
        Yolo = "yolo",
    }
);

text_enum!(
    /// How far an export is.
    ExportStatus, "export status", {
        /// Waits for a worker.
        Init = "INIT",
        /// Being written.
        InProgress = "IN_PROGRESS",
        /// The archive is there.
        Completed = "COMPLETED",
        /// It could not be written.
        Failed = "FAILED",
        /// There was nothing to write, or too much.
        Rejected = "REJECTED",
    }
);
