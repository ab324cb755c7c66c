//! From a plugin's answer to HTTP.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use skyloom_runtime::context::SecretVault;

use crate::answer::{self, Answer};
use crate::core::{Body, Core, Response};
use crate::held::Held;
use crate::mount::Operation;
use crate::refusal::Refusal;
use crate::short;

/// The answer of an operation, or why it is none. `held`: its bytes are counted as that. Uploads are not for here.
pub async fn answer(
    core: &dyn Core,
    operation: &Operation,
    secrets: &SecretVault,
    response: Response,
    held: Option<Held>,
) -> Result<Answer, Refusal> {
    let rubbish = |what: &str| {
        tracing::error!(operation = &*operation.id, what, "a plugin's answer makes no sense");
        Refusal::Internal
    };
    let status = StatusCode::from_u16(response.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| rubbish("status"))?;
    let (mut answer, len) = match response.body {
        Body::Empty => (Answer::default(), 0),
        Body::Bytes(bytes) => {
            let bytes = reveal(operation, secrets, bytes);
            let refuses = status.is_client_error() || status.is_server_error();
            let bytes = if refuses { short::body(bytes) } else { bytes };
            let len = bytes.len() as u64;
            let answer = match held {
                Some(held) => answer::held(bytes, held),
                None => Answer::new(bytes.into()),
            };
            (answer, len)
        }
        Body::Blob(name) => {
            let (file, len) = core.open_blob(&name).await.map_err(|error| {
                tracing::error!(error = error.for_log(), "stored bytes cannot be read");
                Refusal::from(error.code)
            })?;
            (answer::file(file, len), len)
        }
        Body::AcceptUpload(_) => return Err(rubbish("an upload that nobody sends")),
    };
    if (status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED) && len > 0 {
        return Err(rubbish("a body that the status forbids"));
    }
    *answer.status_mut() = status;
    put_headers(answer.headers_mut(), operation, secrets, response.headers).map_err(|()| rubbish("headers"))?;
    Ok(answer)
}

fn put_headers(
    target: &mut HeaderMap,
    operation: &Operation,
    secrets: &SecretVault,
    headers: Vec<(String, String)>,
) -> Result<(), ()> {
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ())?;
        if belongs_to_host(&name) {
            continue;
        }
        let revealed = if operation.answer_secret_headers.contains(&name) { secrets.get(&value) } else { None };
        let bytes = revealed.as_deref().unwrap_or(&value).as_bytes();
        target.append(name, HeaderValue::from_bytes(bytes).map_err(|_| ())?);
    }
    Ok(())
}

fn belongs_to_host(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::DATE,
    ]
    .contains(name)
}

/// Fills the values of handles in where the manifest says that the answer holds one.
fn reveal(operation: &Operation, secrets: &SecretVault, bytes: Vec<u8>) -> Vec<u8> {
    if operation.answer_secrets.is_empty() {
        return bytes;
    }
    let Ok(mut value) = serde_json::from_slice(&bytes) else { return bytes };
    let mut changed = false;
    for pointer in &operation.answer_secrets {
        pointer.each(&mut value, &mut |item| {
            if let Some(revealed) = item.as_str().and_then(|handle| secrets.get(handle)) {
                *item = revealed.as_ref().into();
                changed = true;
            }
        });
    }
    if changed { serde_json::to_vec(&value).unwrap_or(bytes) } else { bytes }
}
