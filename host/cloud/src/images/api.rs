//! `skyloom:cloud/images`, function by function; the rules stand in the other files.

use std::sync::Arc;

use skyloom_runtime::api::ImagesApi;
use skyloom_runtime::bindings::cloud::images::{Condition, Download, Image, ImageCreate, ImagePage, ImageUpdate};
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use super::Images;

#[async_trait::async_trait]
impl ImagesApi for Images {
    async fn list_images(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<Condition>,
        page: PageRequest,
    ) -> Result<ImagePage, Error> {
        Ok(self.images_list(context, conditions, page).await?)
    }

    async fn get_image(&self, context: &Arc<CallContext>, id: String) -> Result<Image, Error> {
        Ok(self.images_get(context, &id).await?)
    }

    async fn create_image(&self, context: &Arc<CallContext>, create: ImageCreate) -> Result<Image, Error> {
        Ok(self.images_create(context, create).await?)
    }

    async fn update_image(&self, context: &Arc<CallContext>, id: String, update: ImageUpdate) -> Result<Image, Error> {
        Ok(self.images_update(context, &id, update).await?)
    }

    async fn delete_image(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        Ok(self.images_delete(context, &id).await?)
    }

    async fn add_tag(&self, context: &Arc<CallContext>, id: String, tag: String) -> Result<(), Error> {
        Ok(self.images_add_tag(context, &id, tag).await?)
    }

    async fn remove_tag(&self, context: &Arc<CallContext>, id: String, tag: String) -> Result<(), Error> {
        Ok(self.images_remove_tag(context, &id, tag).await?)
    }

    async fn set_active(&self, context: &Arc<CallContext>, id: String, active: bool) -> Result<(), Error> {
        Ok(self.images_set_active(context, &id, active).await?)
    }

    async fn begin_upload(&self, context: &Arc<CallContext>, id: String) -> Result<u64, Error> {
        Ok(self.images_begin_upload(context, &id).await?)
    }

    async fn finish_upload(&self, context: &Arc<CallContext>, id: String, blob: String) -> Result<(), Error> {
        Ok(self.images_finish_upload(context, &id, blob).await?)
    }

    async fn list_import_schemes(&self, context: &Arc<CallContext>) -> Result<Vec<String>, Error> {
        Ok(self.images_import_schemes(context)?)
    }

    async fn import_image(&self, context: &Arc<CallContext>, id: String, url: String) -> Result<String, Error> {
        Ok(self.images_import(context, &id, &url).await?)
    }

    async fn open_download(&self, context: &Arc<CallContext>, id: String) -> Result<Option<Download>, Error> {
        Ok(self.images_open_download(context, &id).await?)
    }
}
