//! Credentials of the type ec2: the core's access keys. A secret is in the answer that made its key, and null in every other, where
//! upstream shows it at any time. A key cannot be changed: what stands here is a name and whose it is.

use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{AccessKey, AccessKeyCreate};
use skyloom_sdk::conditions::is;
use skyloom_sdk::json::{Fields, parse_object};
use skyloom_sdk::respond::{empty, param};
use skyloom_sdk::{Condition, Identity, Request};

use crate::bodies::Body;
use crate::{Answer, Fault, lists};

const EC2: &str = "ec2";

fn view(request: &Request, key: &AccessKey) -> Value {
    json!({
        "id": key.id,
        "type": EC2,
        "user_id": key.user_id,
        "project_id": key.project_id,
        "blob": json!({"access": key.id, "secret": null}).to_string(),
        "links": {"self": format!("{}/v3/credentials/{}", request.base_url, key.id)},
    })
}

fn view_ec2(request: &Request, key: &AccessKey) -> Value {
    let own = format!("{}/v3/users/{}/credentials/OS-EC2/{}", request.base_url, key.user_id, key.id);
    json!({
        "access": key.id,
        "secret": null,
        "user_id": key.user_id,
        "tenant_id": key.project_id,
        "trust_id": null,
        "links": {"self": own},
    })
}

fn keys<C: Identity>(
    cloud: &C,
    request: &Request,
    wanted: &[Condition],
    view: impl Fn(&Request, &AccessKey) -> Value,
) -> Answer {
    let page = lists::whole(
        request,
        |_: &AccessKey| true,
        |page| cloud.list_access_keys(wanted, page).map(|page| (page.keys, page.next)),
    )?;
    let views = page.items.iter().map(|key| view(request, key)).collect();
    Ok(lists::answer(request, "credentials", views, page.next.as_deref()))
}

pub fn list<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let query = lists::query(request);
    if query.last("type").is_some_and(|kind| *kind != *EC2) {
        return Ok(lists::answer(request, "credentials", Vec::new(), None));
    }
    let of_user: Vec<Condition> = query.last("user_id").map(|user| is("user-id", user)).into_iter().collect();
    keys(cloud, request, &of_user, view)
}

pub fn create<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let body = Body::read(request, "credential")?;
    let (kind, blob) = (body.fields().str("type")?, body.fields().str("blob")?);
    if !kind.eq_ignore_ascii_case(EC2) {
        return Err(Fault::not_implemented(&format!("a credential of the type {kind}")));
    }
    let Some(project_id) = body.text("project_id")? else {
        return Err(Fault::bad_request("'project_id' is a required property"));
    };
    let made = cloud.create_access_key(&AccessKeyCreate {
        user_id: body.text("user_id")?,
        project_id: Some(project_id),
        pair: Some(blob.to_owned()),
    })?;
    let mut shown = view(request, &made.key);
    // The handle that came: the answer repeats what it stands for.
    shown["blob"] = json!(blob);
    Ok(lists::one(201, "credential", &shown))
}

pub fn show<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let key = cloud.get_access_key(param(request, "credential_id"))?;
    Ok(lists::one(200, "credential", &view(request, &key)))
}

pub fn delete<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_access_key(param(request, "credential_id"))?;
    Ok(empty(204))
}

/// Upstream asks first whether the user of the path is there.
fn check_user<C: Identity>(cloud: &C, request: &Request) -> Result<(), Fault> {
    let user = param(request, "user_id");
    if request.caller.as_ref().is_none_or(|caller| caller.user_id != user) {
        cloud.get_user(user)?;
    }
    Ok(())
}

pub fn list_ec2<C: Identity>(cloud: &C, request: &Request) -> Answer {
    check_user(cloud, request)?;
    keys(cloud, request, &[is("user-id", param(request, "user_id"))], view_ec2)
}

pub fn create_ec2<C: Identity>(cloud: &C, request: &Request) -> Answer {
    check_user(cloud, request)?;
    let body = parse_object(&request.body)?;
    let made = cloud.create_access_key(&AccessKeyCreate {
        user_id: Some(param(request, "user_id").to_owned()),
        project_id: Fields::new(&body, &[]).optional_str("tenant_id")?.map(str::to_owned),
        pair: None,
    })?;
    let mut shown = view_ec2(request, &made.key);
    shown["secret"] = json!(made.secret);
    Ok(lists::one(201, "credential", &shown))
}

/// The key of the path, which is the user's of the path.
fn of_user<C: Identity>(cloud: &C, request: &Request) -> Result<AccessKey, Fault> {
    let id = param(request, "credential_id");
    let key = cloud.get_access_key(id)?;
    if key.user_id == param(request, "user_id") { Ok(key) } else { Err(Fault::not_found("credential", id)) }
}

pub fn show_ec2<C: Identity>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(200, "credential", &view_ec2(request, &of_user(cloud, request)?)))
}

pub fn delete_ec2<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_access_key(&of_user(cloud, request)?.id)?;
    Ok(empty(204))
}
