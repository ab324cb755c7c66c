pub mod api;
pub mod bindings;
pub mod context;
mod convert;
pub mod driver;
pub mod guest;
pub mod manifest;
pub mod tariff;
