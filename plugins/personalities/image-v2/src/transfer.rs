//! Upload and download: the host carries the bytes.

use skyloom_sdk::{Body, Images, Request, Response, respond};

use crate::Answer;

/// First call: whether the bytes may come; second: what became of them.
pub fn upload<C: Images>(cloud: &C, request: &Request) -> Answer {
    let id = respond::param(request, "image_id");
    match &request.upload {
        None => {
            let limit = cloud.begin_upload(id)?;
            Ok(Response { status: 204, headers: Vec::new(), body: Body::AcceptUpload(limit) })
        }
        Some(stored) => {
            cloud.finish_upload(id, &stored.blob)?;
            Ok(respond::empty(204))
        }
    }
}

/// 204 for an image without bytes, as upstream.
pub fn download<C: Images>(cloud: &C, request: &Request) -> Answer {
    let Some(download) = cloud.open_download(respond::param(request, "image_id"))? else {
        return Ok(respond::empty(204));
    };
    let headers = vec![
        ("Content-Type".to_owned(), "application/octet-stream".to_owned()),
        ("Content-Md5".to_owned(), download.checksum),
    ];
    Ok(Response { status: 200, headers, body: Body::Blob(download.blob) })
}
