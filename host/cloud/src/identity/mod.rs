#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {}

#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {}

pub(crate) struct Identity {
    #[allow(dead_code)]
    settings: Settings,
}

impl Identity {
    pub(crate) fn new(settings: Settings) -> skyloom_model::Result<Self> {
        Ok(Self { settings })
    }

    pub(crate) async fn seed(&self, _tx: &mut skyloom_store::Conn, _seed: &Seed) -> skyloom_model::Result<()> {
        Ok(())
    }
}
