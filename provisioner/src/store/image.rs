//! Images: names for manifests in the chunk store.

use super::{
    Store, StoreError,
    db::{Row, sql},
    document, json,
    memory::Touched,
    taken,
};
use provisioner_api::{Image, ImageId};

impl Store {
    /// Adds an image.
    pub(crate) async fn image_insert(&self, image: &Image) -> Result<(), StoreError> {
        sql("INSERT INTO image (id, name, spec, status) VALUES ($1, $2, $3, $4)")
            .bind(image.id.to_string())
            .bind(&image.name)
            .bind(json(&image.spec))
            .bind(json(&image.status))
            .execute(&mut *self.writer.get().await?)
            .await
            .map_err(|error| taken(error, "name", || format!("the image name `{}`", image.name)))?;
        Ok(())
    }

    /// All images by name.
    pub(crate) async fn image_list(&self) -> Result<Vec<Image>, StoreError> {
        let rows = sql("SELECT id, name, spec, status FROM image ORDER BY name")
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// One image by name or id.
    pub(crate) async fn image_find(&self, key: &str) -> Result<Option<Image>, StoreError> {
        let reading = self.recent.images.reading();
        let row = sql("SELECT id, name, spec, status FROM image WHERE name = $1 OR id = $1")
            .bind(key)
            .fetch_optional(&mut *self.reader.get().await?)
            .await?;
        let image = row.as_ref().map(from_row).transpose()?;
        if let Some(image) = &image {
            self.recent.images.keep_read(reading, image.id, image.clone());
        }
        Ok(image)
    }

    /// One image by id. It never changes, and stays for as long as an instance was made from it.
    pub(crate) async fn image_get(&self, id: ImageId) -> Result<Option<Image>, StoreError> {
        if let Some(image) = self.recent.images.get(&id) {
            return Ok(Some(image));
        }
        self.image_find(&id.to_string()).await
    }

    /// Forgets an image. Refused while an instance was made from it.
    pub(crate) async fn image_delete(&self, id: ImageId) -> Result<(), StoreError> {
        let touched = Touched::default().image(id);
        let mut lent = self.writer.get().await?;
        self.recent.begin(&touched);
        sql("DELETE FROM image WHERE id = $1")
            .bind(id.to_string())
            .execute(lent.conn())
            .await
            .map_err(|error| taken(error, "image", || "the image".into()))?;
        self.recent.end(touched, true);
        Ok(())
    }
}

fn from_row(row: &Row) -> Result<Image, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("image {id}, column {column}");
    Ok(Image {
        id: document(|| place("id"), &format!("\"{id}\""))?,
        name: row.try_get("name")?,
        spec: document(|| place("spec"), row.try_get("spec")?)?,
        status: document(|| place("status"), row.try_get("status")?)?,
    })
}
