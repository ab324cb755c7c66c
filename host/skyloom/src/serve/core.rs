//! The database and the core over it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use skyloom_cloud::Cloud;
use skyloom_cloud::identity::Vocabulary;
use skyloom_cloud::secrets::{KEY_BYTES, Sealer};
use skyloom_model::ErrorCode;
use skyloom_store::documents::Documents;
use skyloom_store::{Db, db, migrate};

use crate::config::{Database, Deployment, Loaded, idle_nodes};
use crate::failure::Failure;
use crate::state::{AdminPassword, StateDir, read_sealer};

/// Opened and migrated; a newer schema is refused.
pub async fn open_database(deployment: &Deployment, state: &Path) -> Result<Db, Failure> {
    let db = connect(deployment, state).await?;
    migrate::migrate(&db).await?;
    Ok(db)
}

pub async fn connect(deployment: &Deployment, state: &Path) -> Result<Db, Failure> {
    connect_within(deployment, state, db::Options::default().acquire_timeout).await
}

async fn connect_within(deployment: &Deployment, state: &Path, patience: Duration) -> Result<Db, Failure> {
    let table = &deployment.database;
    let options = db::Options {
        readers: table.readers,
        sync_on_commit: table.sync_on_commit,
        acquire_timeout: patience,
        ..db::Options::default()
    };
    let opened = if table.url == "sqlite" {
        Db::sqlite(&sqlite_file(state), options).await
    } else {
        Db::postgres(&table.url, options).await
    };
    opened.map_err(|error| cannot_open(table, sqlite_file(state), &error))
}

/// What plugins keep: beside the database, or on its server, so that every process that shares the one shares the other.
pub async fn open_documents(deployment: &Deployment, state: &Path) -> Result<Documents, Failure> {
    let table = &deployment.database;
    let file = state.join("documents.db");
    let opened =
        if table.url == "sqlite" { Documents::sqlite(&file).await } else { Documents::postgres(&table.url).await };
    opened.map_err(|error| cannot_open(table, file, &error))
}

/// Names the file, or the server and who is to log in there; never a password.
fn cannot_open(table: &Database, file: PathBuf, error: &skyloom_model::Error) -> Failure {
    let place = if table.url == "sqlite" {
        format!("database {}", file.display())
    } else {
        format!("[database] url: {}", server(&table.url))
    };
    Failure::new(format!("{place}: {}", error.internal_text().unwrap_or(&error.message)))
}

/// User, host, port and database of a URL, as it is written where it says them all.
fn server(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return "no URL".to_owned() };
    let asked = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let said = |name: &str, text: &str| asked(name).or_else(|| (!text.is_empty()).then(|| text.to_owned()));
    let user = said("user", url.username()).map(|user| user + "@").unwrap_or_default();
    let host = said("host", url.host_str().unwrap_or_default()).unwrap_or_else(|| "localhost".to_owned());
    let port = asked("port").unwrap_or_else(|| url.port().unwrap_or(5432).to_string());
    let database = said("dbname", url.path().trim_start_matches('/')).map(|name| format!("/{name}"));
    format!("{}://{user}{host}:{port}{}", url.scheme(), database.unwrap_or_default())
}

fn sqlite_file(state: &Path) -> PathBuf {
    state.join("skyloom.db")
}

/// The core, seeded on a fresh database. No password: the database has its administrator already and we don't know it.
pub async fn start(
    loaded: &Loaded,
    state: &StateDir,
    db: &Db,
    vocabulary: Vocabulary,
) -> Result<(Cloud, Option<AdminPassword>), Failure> {
    let key = loaded.deployment.database.secret_key.as_ref().map(|file| loaded.path(file));
    let images = state.path().join(&loaded.deployment.images.folder);
    if !loaded.deployment.images.shared && images.starts_with(state.path()) {
        StateDir::close_below(&images)?;
    }
    let cloud = cloud(loaded, images, db, state.sealer(key.as_deref())?, vocabulary)?;
    let admin = state.admin_password()?;
    let fresh = seed(loaded, &cloud, &admin.value).await?;
    for role in cloud.identity.missing_roles().await? {
        tracing::warn!(
            role,
            "[identity.policy] has rules for a role that isn't there: they hold for nobody until it is made"
        );
    }
    let admin = admin.settle(fresh)?;
    Ok((cloud, admin))
}

fn cloud(loaded: &Loaded, images: PathBuf, db: &Db, sealer: Sealer, vocabulary: Vocabulary) -> Result<Cloud, Failure> {
    let deployment = &loaded.deployment;
    let mut import = deployment.images.import.clone();
    import.ca = import.ca.map(|file| loaded.path(&file));
    let settings = skyloom_cloud::Settings {
        identity: skyloom_cloud::identity::Settings { vocabulary, ..deployment.identity.clone() },
        images: skyloom_cloud::images::Settings { folder: images, import, ..deployment.images.clone() },
        networks: deployment.networks.clone(),
        compute: deployment.compute.clone(),
        billing: deployment.billing.clone(),
        sealer,
    };
    Cloud::new(db.clone(), settings).map_err(|error| Failure::config(vec![error.message]))
}

async fn seed(loaded: &Loaded, cloud: &Cloud, admin_password: &str) -> Result<bool, Failure> {
    let mut seed = loaded.deployment.seed.clone();
    seed.identity.admin_password = Some(admin_password.to_owned());
    for image in &mut seed.images.images {
        image.file = loaded.path(&image.file);
    }
    Ok(cloud.seed(&seed).await?)
}

/// Does with the areas' settings, and where the database isn't filled yet with the seeds, what a start would do, on a database
/// and in folders that are thrown away: nothing that is refused then can be missed here. All that is refused.
pub async fn rehearse(loaded: &Loaded, vocabulary: Vocabulary) -> Vec<String> {
    let mut defects = Vec::new();
    let mut note = |failure: Failure| defects.extend(failure.into_lines());
    let table = &loaded.deployment.database;
    let key = table.secret_key.as_ref().map(|file| read_sealer(&loaded.path(file)));
    let sealer = key.unwrap_or_else(|| Ok(Sealer::new(&[0; KEY_BYTES]))).unwrap_or_else(|failure| {
        note(failure);
        Sealer::new(&[0; KEY_BYTES])
    });
    // One that cannot be asked may be empty. One of another kind was told by the file.
    let filled = if table.is_known() { filled(loaded).await } else { Ok(false) };
    let fresh = !filled.unwrap_or_else(|failure| {
        note(failure);
        false
    });
    if let Err(failure) = rehearse_on_scratch(loaded, sealer, vocabulary, fresh).await {
        note(failure);
    }
    if fresh {
        defects.extend(idle_nodes(&loaded.deployment));
    }
    defects
}

async fn rehearse_on_scratch(
    loaded: &Loaded,
    sealer: Sealer,
    vocabulary: Vocabulary,
    with_seeds: bool,
) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let options = db::Options { sync_on_commit: false, ..db::Options::default() };
    let db = Db::sqlite(&sqlite_file(scratch.path()), options).await?;
    migrate::migrate(&db).await?;
    // Never the deployment's own, which may be absolute.
    let cloud = cloud(loaded, scratch.path().join("images"), &db, sealer, vocabulary)?;
    if with_seeds {
        seed(loaded, &cloud, "rehearsal").await?;
    }
    db.close().await;
    Ok(())
}

/// How long a check waits for the database.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the deployment's database has its seeds already. One that isn't there, cannot be asked or is too new is told.
async fn filled(loaded: &Loaded) -> Result<bool, Failure> {
    if loaded.deployment.database.url == "sqlite" && !sqlite_file(&loaded.state_dir).exists() {
        return Ok(false);
    }
    let db = connect_within(&loaded.deployment, &loaded.state_dir, PATIENCE).await?;
    let asked = async {
        match migrate::status(&mut db.read().await?).await {
            Err(error) if error.code == ErrorCode::NotSupported => return Err(error),
            // Nothing is in it yet.
            _ => {}
        }
        Ok(skyloom_cloud::is_seeded(&db).await.unwrap_or(false))
    };
    let asked = asked.await;
    db.close().await;
    Ok(asked?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_server_is_named_without_its_password() {
        for (url, said) in [
            ("postgres://u:hidden@db.example:5433/cloud", "postgres://u@db.example:5433/cloud"),
            ("postgresql://u:hidden@[::1]/cloud?sslmode=require", "postgresql://u@[::1]:5432/cloud"),
            ("postgres://db.example", "postgres://db.example:5432"),
            (
                "postgres:///cloud?host=/run/postgresql&user=u&password=hidden",
                "postgres://u@/run/postgresql:5432/cloud",
            ),
            ("postgres://u:hid den", "no URL"),
        ] {
            assert_eq!(super::server(url), said, "{url}");
        }
    }
}
