//! The discovery component: what needs no key: health, the OpenAPI document, the error catalogue, and every unknown path.
//!
//! It only connects Spin to the `discovery` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::DISCOVERY;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&DISCOVERY, request).await
}
