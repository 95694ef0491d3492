//! The webhooks component: webhook endpoints.
//!
//! It only connects Spin to the `webhooks` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::WEBHOOKS;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&WEBHOOKS, request).await
}
