//! `skyloom quota ...`: beside a running `skyloom serve`, or without one.

use serde_json::json;
use skyloom_cloud::compute::Settings;
use skyloom_cloud::compute::quotas::{self, Line};
use skyloom_store::quotas::Quota;

use super::{print_json, print_table, with_database};
use crate::cli::QuotaCommand;
use crate::config::Loaded;
use crate::failure::Failure;

pub fn run(command: QuotaCommand) -> Result<(), Failure> {
    match command {
        QuotaCommand::Show { project: Some(project), deployment, json } => {
            with_database(&deployment, async |loaded, db| {
                show(&quotas::of_project(db, &loaded.deployment.compute, &project).await?, json);
                Ok(())
            })
        }
        QuotaCommand::Show { project: None, deployment, json } => {
            let loaded = Loaded::read(&deployment.config, deployment.state_dir.as_deref()).map_err(Failure::config)?;
            defaults(&loaded.deployment.compute, json);
            Ok(())
        }
        QuotaCommand::Set { project, limits, deployment } => {
            let limits = parse(&limits).map_err(Failure::config)?;
            with_database(&deployment, async |loaded, db| {
                quotas::change(db, &project, &limits).await?;
                show(&quotas::of_project(db, &loaded.deployment.compute, &project).await?, false);
                Ok(())
            })
        }
    }
}

/// Every defect, a line each.
fn parse(limits: &[String]) -> Result<Vec<(Quota, Option<i64>)>, Vec<String>> {
    let one = |text: &String| {
        let (name, limit) = text.split_once('=').ok_or_else(|| format!("{text}: NAME=LIMIT is wanted"))?;
        let known = || Quota::ALL.iter().map(|quota| quota.as_str()).collect::<Vec<_>>().join(", ");
        let quota = Quota::parse(name).ok_or_else(|| format!("{name} is no quota; there are {}", known()))?;
        if limit == "default" {
            return Ok((quota, None));
        }
        match limit.parse() {
            Ok(limit) if limit >= -1 => Ok((quota, Some(limit))),
            _ => Err(format!("{text}: a limit is 0 or more, -1 for none, or `default`")),
        }
    };
    let (parsed, defects): (Vec<_>, Vec<_>) = limits.iter().map(one).partition(Result::is_ok);
    let mut defects: Vec<String> = defects.into_iter().filter_map(Result::err).collect();
    let parsed: Vec<(Quota, Option<i64>)> = parsed.into_iter().flatten().collect();
    let times = |quota: &Quota| parsed.iter().filter(|(named, _)| named == quota).count();
    defects.extend(
        Quota::ALL
            .iter()
            .filter(|quota| times(quota) > 1)
            .map(|quota| format!("{} stands {} times: which limit is meant?", quota.as_str(), times(quota))),
    );
    if defects.is_empty() { Ok(parsed) } else { Err(defects) }
}

fn show(lines: &[Line], json: bool) {
    if json {
        let value = |line: &Line| json!({ "name": line.quota.as_str(), "limit": line.limit, "own": line.own, "used": line.used });
        print_json(&lines.iter().map(value).collect());
        return;
    }
    let header = ["NAME", "LIMIT", "USED", "FROM"].map(str::to_owned).to_vec();
    let rows = lines.iter().map(|line| {
        let from = if line.own { "project" } else { "deployment" };
        vec![line.quota.as_str().to_owned(), line.limit.to_string(), line.used.to_string(), from.to_owned()]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn defaults(settings: &Settings, json: bool) {
    let limits = Quota::ALL.iter().map(|quota| (quota.as_str(), settings.default_limit(*quota)));
    if json {
        print_json(&limits.map(|(name, limit)| json!({ "name": name, "limit": limit })).collect());
        return;
    }
    let header = ["NAME", "LIMIT"].map(str::to_owned).to_vec();
    let rows = limits.map(|(name, limit)| vec![name.to_owned(), limit.to_string()]);
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(limits: &[&str]) -> Result<Vec<(Quota, Option<i64>)>, Vec<String>> {
        parse(&limits.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn limits_are_numbers_from_minus_one_up_or_the_default() {
        let good = parsed(&["servers=20", "vcpus=-1", "ports=0", "volumes=default"]).unwrap();
        let limits = [Some(20), Some(-1), Some(0), None];
        let quotas = [Quota::Servers, Quota::Vcpus, Quota::Ports, Quota::Volumes];
        assert_eq!(good, quotas.into_iter().zip(limits).collect::<Vec<_>>());
        for bad in [
            "servers",
            "servers=",
            "servers=-2",
            "servers=many",
            "servers=1.5",
            "wishes=1",
            "servers=9223372036854775808",
        ] {
            assert_eq!(parsed(&["vcpus=1", bad]).unwrap_err().len(), 1, "{bad}");
        }
        for twice in [["servers=1", "servers=2"], ["servers=1", "servers=1"], ["servers=1", "servers=default"]] {
            assert_eq!(parsed(&twice).unwrap_err(), ["servers stands 2 times: which limit is meant?"]);
        }
        assert_eq!(parsed(&["wishes=1", "servers=-2"]).unwrap_err().len(), 2, "every defect");
    }
}
