//! The calls component: calls and numbers.
//!
//! It only connects Spin to the `calls` routes of `talkif-api`; to change what they do, go there.

use spin_sdk::http::{IntoResponse, Request};
use talkif_api::routes::CALLS;

#[spin_sdk::http_service]
async fn serve(request: Request) -> impl IntoResponse {
    talkif_shell::serve(&CALLS, request).await
}
