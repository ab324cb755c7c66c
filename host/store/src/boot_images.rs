//! Images that a server boots with, beside those that its disks began as.

use skyloom_model::Result;

use crate::Conn;
use crate::args;
use crate::statement::{delete_from, insert_into};

/// Ids of images; none: the server boots from its disk alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootImages {
    pub kernel: Option<String>,
    pub ramdisk: Option<String>,
}

impl BootImages {
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.kernel.iter().chain(&self.ramdisk)
    }
}

/// Of a new server.
pub async fn insert(tx: &mut Conn, server_id: &str, images: &BootImages) -> Result<()> {
    for (part, image) in [("kernel", &images.kernel), ("ramdisk", &images.ramdisk)] {
        if let Some(image) = image {
            let sql = insert_into("boot_images", "(server_id, part, image_id) VALUES ($1, $2, $3)");
            tx.execute(sql, args![server_id, part, image]).await?;
        }
    }
    Ok(())
}

/// None to release is no error.
pub async fn release(tx: &mut Conn, server_id: &str) -> Result<()> {
    tx.execute(delete_from("boot_images", "WHERE server_id = $1"), args![server_id]).await?;
    Ok(())
}
