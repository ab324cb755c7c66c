use crate::api::CloudApi;
use crate::context::CallContext;
use crate::manifest::Capability;
use std::sync::Arc;

pub struct GuestState {
    pub cloud: Arc<dyn CloudApi>,
    pub context: Arc<CallContext>,
}

impl GuestState {
    pub fn cloud(&self, _capability: Capability) -> wasmtime::Result<(Arc<dyn CloudApi>, Arc<CallContext>)> {
        Ok((self.cloud.clone(), self.context.clone()))
    }
}
