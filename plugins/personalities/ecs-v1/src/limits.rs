//! Limits: the project's quotas and what is in use.

use nova::words::QUOTAS;
use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, Response, respond};

use crate::errors::Failure;

/// Limits of requests, not of projects; the vendor's own defaults.
const FIXED: &[(&str, i64)] = &[("maxPersonality", 5), ("maxPersonalitySize", 10_240), ("maxImageMeta", 128)];

pub fn get<C: Cloud>(cloud: &C) -> Result<Response, Failure> {
    let quotas = cloud.get_quotas(None)?;
    let find = |name: &str| quotas.iter().find(|quota: &&Quota| quota.name == name);
    let mut out = Writer::with_capacity(768);
    out.begin_object().dynamic_key("absolute").begin_object();
    for words in QUOTAS {
        // -1, the core's word for no limit, is the vendor's too.
        out.dynamic_key(words.most).integer(find(words.core).map_or(-1, |quota| quota.limit));
        if let Some(used) = words.used {
            out.dynamic_key(used).unsigned(find(words.core).map_or(0, |quota| quota.used));
        }
    }
    for (name, value) in FIXED {
        out.dynamic_key(name).integer(*value);
    }
    out.end_object().end_object();
    Ok(respond::json(200, out.finish()))
}
