//! The OpenAPI document, generated from the handlers' own annotations and types.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, Server};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Talkif API",
        version = "1.0.0",
        description = "Send a lead; Talkif dials it within seconds, qualifies it, books, and posts the outcome back."
    ),
    paths(
        crate::leads::create,
        crate::leads::fetch,
        crate::leads::cancel,
        crate::leads::create_list,
        crate::calls::list,
        crate::calls::fetch,
        crate::flows::publish,
        crate::flows::list,
        crate::flows::fetch,
        crate::numbers::list,
        crate::webhooks::create,
        crate::webhooks::list,
        crate::webhooks::fetch,
        crate::webhooks::delete,
        crate::auth::create,
        crate::auth::list,
        crate::auth::revoke,
        crate::discovery::healthz,
        crate::discovery::readyz,
        crate::discovery::openapi,
        crate::discovery::errors,
    ),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
struct Document;

/// Every route asks for a bearer key unless it says otherwise.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key: `tif_live_…` or `tif_test_…`"))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document of all routes.
#[must_use]
pub fn document() -> OpenApi {
    Document::openapi()
}

/// The document as JSON, for an edge at `public_url`.
pub(crate) fn json(public_url: &str) -> String {
    let mut document = document();
    document.servers = Some(vec![Server::new(public_url)]);
    // A document of maps, lists and strings always serialises.
    document.to_json().unwrap_or_default()
}
