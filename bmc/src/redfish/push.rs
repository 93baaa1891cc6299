//! Files that are pushed to a BMC: plain (`HttpPushUri`) or in parts (`MultipartHttpPushUri`, DSP0266 section 12.6),
//! read from the disk as they are sent.

use super::Redfish;
use super::client::Outcome;
use super::transport::Upload;
use crate::BmcError;
use bmc_proto::redfish::ResourcePath;
use serde_json::Value;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A file and how it is pushed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Push {
    /// The body is the file.
    Plain {
        /// Which.
        file: PathBuf,
    },
    /// The body has the parts `UpdateParameters` and `UpdateFile`.
    Multipart {
        /// Which.
        file: PathBuf,
        /// `UpdateParameters`.
        parameters: Value,
        /// `OemParameters`, for BMCs that need them.
        oem: Option<Value>,
    },
}

impl Redfish {
    /// Pushes a file. It is done once: `BmcError::Unknown` when the answer is lost.
    pub(super) async fn push(
        &self,
        path: &ResourcePath,
        push: Push,
        during: &'static str,
    ) -> Result<Outcome, BmcError> {
        let (Push::Plain { file } | Push::Multipart { file, .. }) = &push;
        let unreadable = |error| self.cannot(format!("{} can't be read here: {error}", file.display()));
        let upload = upload(&push).await.map_err(unreadable)?;
        let answer = self.session.upload(self.transport()?, path, upload, during).await?;
        self.outcome(answer, during).await
    }
}

async fn upload(push: &Push) -> std::io::Result<Upload> {
    match push {
        Push::Plain { file } => {
            let (opened, length) = open(file).await?;
            let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(opened.take(length), CHUNK));
            Ok(Upload { content_type: "application/octet-stream".into(), length, body })
        }
        Push::Multipart { file, parameters, oem } => {
            let (opened, length) = open(file).await?;
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(std::io::Error::other)?;
            let boundary = format!("billet-{}", hex::encode(random));
            let (head, tail) =
                (head(&boundary, &name(file), parameters, oem.as_ref()), format!("\r\n--{boundary}--\r\n"));
            let total = length + (head.len() + tail.len()) as u64;
            let body = Cursor::new(head).chain(opened.take(length)).chain(Cursor::new(tail));
            Ok(Upload {
                content_type: format!("multipart/form-data; boundary={boundary}"),
                length: total,
                body: reqwest::Body::wrap_stream(ReaderStream::with_capacity(body, CHUNK)),
            })
        }
    }
}

async fn open(file: &Path) -> std::io::Result<(File, u64)> {
    let opened = File::open(file).await?;
    let about = opened.metadata().await?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    Ok((opened, about.len()))
}

/// The file's name in letters that need no quoting (RFC 7578 section 4.2); some BMCs tell the kind of image by its end.
fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

/// What goes before the file.
fn head(boundary: &str, name: &str, parameters: &Value, oem: Option<&Value>) -> String {
    let json = |part: &str, value: &Value| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{part}\"\r\nContent-Type: \
             application/json\r\n\r\n{value}\r\n"
        )
    };
    let parameters = json("UpdateParameters", parameters);
    let oem = oem.map(|oem| json("OemParameters", oem)).unwrap_or_default();
    format!(
        "{parameters}{oem}--{boundary}\r\nContent-Disposition: form-data; name=\"UpdateFile\"; \
         filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_told_apart() {
        let head = head("b", &name(Path::new("/tmp/a b\"\r\n.bin")), &json!({"Targets": []}), None);
        assert_eq!(
            head,
            "--b\r\nContent-Disposition: form-data; name=\"UpdateParameters\"\r\nContent-Type: application/json\r\n\r\n\
             {\"Targets\":[]}\r\n--b\r\nContent-Disposition: form-data; name=\"UpdateFile\"; \
             filename=\"a_b___.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn the_length_is_that_of_the_whole_body() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.bin");
        std::fs::write(&file, [7; 1000]).unwrap();
        assert_eq!(upload(&Push::Plain { file: file.clone() }).await.unwrap().length, 1000);
        let parameters = json!({});
        let parts =
            upload(&Push::Multipart { file, parameters: parameters.clone(), oem: None }).await.unwrap();
        let boundary = parts.content_type.rsplit('=').next().unwrap();
        let around = head(boundary, "image.bin", &parameters, None).len() + boundary.len() + 8;
        assert_eq!(parts.length, 1000 + around as u64);
        assert!(upload(&Push::Plain { file: folder.path().into() }).await.is_err());
    }
}
