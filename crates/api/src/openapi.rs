//! The OpenAPI document, generated from the handlers' own annotations and types.

use utoipa::OpenApi;

/// The document of all routes.
#[derive(OpenApi)]
#[openapi(paths(crate::discovery::healthz))]
pub struct Document;
