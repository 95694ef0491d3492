//! The flows component: flows.
//!
//! It only connects Spin to the `flows` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::FLOWS;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&FLOWS, request).await
}
